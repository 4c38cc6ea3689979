package org.vlmserve.system;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.vlmserve.decoder.DecoderConfig;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.importer.Precision;
import org.vlmserve.messaging.AskRequest.PictureInput;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.Rendering;
import org.vlmserve.protocol.Sampling;
import org.vlmserve.testing.GoldenCase;
import org.vlmserve.testing.GoldenCheckpoint;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.JsonNode;

/**
 * The central promise: a checkpoint goes in, and the answers to picture files are the reference's, token by token, with
 * its log-probabilities.
 */
class WholeGoldenTest {

    static Stream<GoldenCheckpoint> checkpoints() {
        return Goldens.find().checkpoints().stream();
    }

    @ParameterizedTest
    @MethodSource("checkpoints")
    void answersAreTheReferences(GoldenCheckpoint checkpoint) throws IOException {
        Bundle bundle = Bundles.imported(checkpoint, Precision.FP32);
        try (Whole whole = new Whole(bundle, new DecoderConfig(1, 1, 256, 4096), EngineOptions.ofThreads(1))) {
            assertThat(checkpoint.cases()).isNotEmpty();
            for (GoldenCase golden : checkpoint.cases()) {
                check(golden, whole);
            }
        }
    }

    private static void check(GoldenCase golden, Whole whole) throws IOException {
        List<ChatTurn> turns = new ArrayList<>();
        List<PictureInput> pictures = new ArrayList<>();
        for (JsonNode message : golden.request().messages()) {
            turns.add(turn(golden, message, pictures));
        }
        List<AnswerEvent> events = whole.answer(
                "golden", turns, golden.request().templateArguments().toString(), pictures, greedy(golden));
        assertThat(events.getLast()).as("%s", golden).isInstanceOf(AnswerEvent.Finished.class);
        AnswerEvent.Finished finished = (AnswerEvent.Finished) events.getLast();
        List<AnswerEvent.Token> tokens = events.stream()
                .filter(AnswerEvent.Token.class::isInstance)
                .map(AnswerEvent.Token.class::cast)
                .toList();
        assertThat(tokens.stream().map(AnswerEvent.Token::tokenId))
                .as("%s", golden)
                .containsExactlyElementsOf(
                        Arrays.stream(golden.generatedIds()).boxed().toList());
        assertThat(finished.text()).as("%s", golden).isEqualTo(golden.text());
        assertThat(finished.reason().name().toLowerCase(Locale.ROOT)).isEqualTo(golden.finishReason());
        assertThat(finished.usage().promptTokens()).isEqualTo(golden.promptTokens());
        assertThat(finished.usage().pictureTokens()).isEqualTo(golden.pictureTokens());
        for (int i = 0; i < tokens.size(); i++) {
            assertThat(Objects.requireNonNull(tokens.get(i).logprob()).logprob())
                    .as("%s step %s", golden, i)
                    .isCloseTo(golden.steps().get(i).logprob(), within(1e-3));
        }
    }

    private static ChatTurn turn(GoldenCase golden, JsonNode message, List<PictureInput> pictures) throws IOException {
        JsonNode content = message.path("content");
        String role = message.path("role").asString();
        if (content.isString()) {
            return new ChatTurn(role, List.of(new ChatTurn.Text(content.asString())), true);
        }
        List<ChatTurn.Part> parts = new ArrayList<>();
        for (JsonNode part : content) {
            if (part.path("type").asString().equals("text")) {
                parts.add(new ChatTurn.Text(part.path("text").asString()));
                continue;
            }
            GoldenCase.Picture picture = golden.pictures().get(pictures.size());
            Medium medium = picture.isVideo() ? Medium.VIDEO : Medium.PICTURE;
            parts.add(picture.isVideo() ? new ChatTurn.Video(pictures.size()) : new ChatTurn.Picture(pictures.size()));
            List<byte[]> files = new ArrayList<>();
            for (Path file : golden.filesOf(picture)) {
                files.add(Files.readAllBytes(file));
            }
            pictures.add(new PictureInput(new PictureFiles(medium, files).rendered(Rendering.REFERENCE), limits(part)));
        }
        return new ChatTurn(role, parts, false);
    }

    private static PixelLimits limits(JsonNode part) {
        JsonNode least = part.path("min_pixels");
        JsonNode most = part.path("max_pixels");
        return new PixelLimits(least.isNumber() ? least.asLong() : null, most.isNumber() ? most.asLong() : null);
    }

    private static Sampling greedy(GoldenCase golden) {
        return new Sampling(
                golden.request().maxTokens(),
                null,
                0.0,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                List.of(),
                0,
                Map.of(),
                false);
    }
}
