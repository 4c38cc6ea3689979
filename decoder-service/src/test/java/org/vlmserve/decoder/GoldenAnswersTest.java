package org.vlmserve.decoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.vlmserve.families.FamilyRegistry;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.importer.ImportOptions;
import org.vlmserve.importer.Importer;
import org.vlmserve.importer.Precision;
import org.vlmserve.importer.ProgressListener;
import org.vlmserve.messaging.PromptHandler.ReadyPicture;
import org.vlmserve.messaging.PromptHandler.ReadyPrompt;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.Envelope;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.PictureKey;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.PromptJob;
import org.vlmserve.protocol.Sampling;
import org.vlmserve.protocol.StageTimes;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;
import org.vlmserve.testing.GoldenCase;
import org.vlmserve.testing.GoldenCheckpoint;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.JsonNode;

/**
 * The reference's answers, token by token, from its embeddings of the pictures: prompt, chunks, batch, cache, sampling and
 * text of every family, over graphs that the importer builds in fp32.
 */
class GoldenAnswersTest {

    @TempDir
    private static Path imports;

    private static final Map<String, Bundle> BUNDLES = new ConcurrentHashMap<>();

    static Stream<GoldenCheckpoint> checkpoints() {
        return Goldens.find().checkpoints().stream();
    }

    private static Bundle bundle(GoldenCheckpoint checkpoint, Precision precision) {
        String name = checkpoint.family() + "-" + checkpoint.name() + "-" + precision.wireName();
        return BUNDLES.computeIfAbsent(
                name,
                each -> Importer.importCheckpoint(
                        checkpoint.directory(),
                        imports.resolve(each),
                        ImportOptions.of(precision, checkpoint.visionTower()),
                        ProgressListener.SILENT));
    }

    private static DecoderStage stage(Bundle bundle, DecoderConfig config) {
        return new DecoderStage(
                new ModelRef("golden", bundle.manifest().revision()),
                OnnxTokenModel.load(bundle, config, EngineOptions.ofThreads(1)),
                FamilyRegistry.load().familyOf(bundle).promptBuilder(bundle),
                bundle.manifest().generation(),
                config,
                new SimpleMeterRegistry());
    }

    @ParameterizedTest
    @MethodSource("checkpoints")
    void everyCaseAlone(GoldenCheckpoint checkpoint) {
        Bundle bundle = bundle(checkpoint, Precision.FP32);
        try (DecoderStage stage = stage(bundle, new DecoderConfig(1, 0, 256, 4096))) {
            for (GoldenCase golden : checkpoint.cases()) {
                RecordingSink sink = new RecordingSink();
                stage.start(prompt(bundle, golden, "tenant"), sink);
                check(golden, sink);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("checkpoints")
    void allCasesTogetherInSmallChunksWithReuse(GoldenCheckpoint checkpoint) {
        Bundle bundle = bundle(checkpoint, Precision.FP32);
        try (DecoderStage stage = stage(bundle, new DecoderConfig(3, 2, 7, 1024))) {
            List<GoldenCase> cases = new ArrayList<>(checkpoint.cases());
            cases.addAll(checkpoint.cases());
            List<RecordingSink> sinks = new ArrayList<>();
            for (GoldenCase golden : cases) {
                RecordingSink sink = new RecordingSink();
                sinks.add(sink);
                stage.start(prompt(bundle, golden, "tenant"), sink);
            }
            for (int i = 0; i < cases.size(); i++) {
                check(cases.get(i), sinks.get(i));
            }
        }
    }

    /** In int8 a row is computed alike alone and beside others: bit for bit. */
    @ParameterizedTest
    @MethodSource("checkpoints")
    void int8AnswersDoNotDependOnBatchMates(GoldenCheckpoint checkpoint) {
        Bundle bundle = bundle(checkpoint, Precision.INT8);
        List<RecordingSink> alone = new ArrayList<>();
        try (DecoderStage stage = stage(bundle, new DecoderConfig(1, 0, 16, 1024))) {
            for (GoldenCase golden : checkpoint.cases()) {
                // a tenant of its own, so that no beginning is reused
                alone.addAll(together(stage, List.of(prompt(bundle, golden, "alone-" + golden.name()))));
            }
        }
        try (DecoderStage stage = stage(bundle, new DecoderConfig(4, 0, 16, 1024))) {
            List<ReadyPrompt> prompts = checkpoint.cases().stream()
                    .map(golden -> prompt(bundle, golden, "together-" + golden.name()))
                    .toList();
            List<RecordingSink> together = together(stage, prompts);
            for (int i = 0; i < together.size(); i++) {
                assertThat(together.get(i).ids()).isEqualTo(alone.get(i).ids());
                assertThat(together.get(i).logprobs()).isEqualTo(alone.get(i).logprobs());
            }
        }
    }

    /**
     * Attention is in float, and its sums depend on how many rows are computed at once: by less than shows, except where an
     * activation lies so near to a rounding boundary that the last digit decides to which side it falls.
     */
    @ParameterizedTest
    @MethodSource("checkpoints")
    void int8AnswersDoNotDependOnChunksOrReuse(GoldenCheckpoint checkpoint) {
        Bundle bundle = bundle(checkpoint, Precision.INT8);
        List<ReadyPrompt> prompts = checkpoint.cases().stream()
                .map(golden -> prompt(bundle, golden, "tenant"))
                .toList();
        List<RecordingSink> whole;
        try (DecoderStage stage = stage(bundle, new DecoderConfig(1, 0, 1024, 1024))) {
            whole = together(stage, prompts);
        }
        try (DecoderStage stage = stage(bundle, new DecoderConfig(3, 2, 7, 1024))) {
            int tokens = 0;
            int beyond = 0;
            for (int round = 0; round < 2; round++) {
                List<RecordingSink> pieces = together(stage, prompts);
                for (int i = 0; i < pieces.size(); i++) {
                    assertThat(pieces.get(i).ids()).isEqualTo(whole.get(i).ids());
                    for (int k = 0; k < pieces.get(i).ids().size(); k++) {
                        double difference = Math.abs(pieces.get(i).logprobs().get(k)
                                - whole.get(i).logprobs().get(k));
                        tokens++;
                        beyond += difference > 1e-4 ? 1 : 0;
                    }
                }
            }
            assertThat(beyond).as("of %d log-probabilities", tokens).isLessThanOrEqualTo(tokens / 50);
        }
    }

    private static List<RecordingSink> together(DecoderStage stage, List<ReadyPrompt> prompts) {
        List<RecordingSink> sinks = new ArrayList<>();
        for (ReadyPrompt prompt : prompts) {
            RecordingSink sink = new RecordingSink();
            stage.start(prompt, sink);
            sinks.add(sink);
        }
        for (RecordingSink sink : sinks) {
            assertThat(sink.await().error()).isNull();
        }
        return sinks;
    }

    private static void check(GoldenCase golden, RecordingSink sink) {
        RecordingSink.End end = sink.await();
        assertThat(end.error()).as("%s", golden).isNull();
        assertThat(sink.ids())
                .as("%s", golden)
                .isEqualTo(Arrays.stream(golden.generatedIds()).boxed().toList());
        assertThat(end.text()).as("%s", golden).isEqualTo(golden.text());
        assertThat(sink.joined()).as("%s", golden).isEqualTo(golden.text());
        assertThat(String.valueOf(end.reason()).toLowerCase(Locale.ROOT)).isEqualTo(golden.finishReason());
        AnswerEvent.Usage usage = java.util.Objects.requireNonNull(end.usage());
        assertThat(usage.promptTokens()).isEqualTo(golden.promptTokens());
        assertThat(usage.pictureTokens()).isEqualTo(golden.pictureTokens());
        assertThat(usage.completionTokens()).isEqualTo(golden.generatedIds().length);
        for (int i = 0; i < golden.steps().size(); i++) {
            GoldenCase.Step step = golden.steps().get(i);
            AnswerEvent.Token token = sink.tokens.get(i);
            AnswerEvent.TokenLogprob chosen = java.util.Objects.requireNonNull(token.logprob());
            assertThat(chosen.logprob()).as("%s step %s", golden, i).isCloseTo(step.logprob(), within(1e-3));
            for (int k = 0; k < step.top().size(); k++) {
                assertThat(token.top().get(k).logprob())
                        .as("%s step %s top %s", golden, i, k)
                        .isCloseTo(step.top().get(k).logprob(), within(1e-3));
            }
        }
    }

    // ---- from a golden to what reaches a decoder

    private static ReadyPrompt prompt(Bundle bundle, GoldenCase golden, String tenant) {
        Sampling sampling = new Sampling(
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
                5,
                Map.of(),
                false);
        return prompt(bundle, golden, tenant, sampling);
    }

    static ReadyPrompt prompt(Bundle bundle, GoldenCase golden, String tenant, Sampling sampling) {
        ModelRef model = new ModelRef("golden", bundle.manifest().revision());
        List<ChatTurn> turns = new ArrayList<>();
        int pictures = 0;
        for (JsonNode message : golden.request().messages()) {
            JsonNode content = message.path("content");
            String role = message.path("role").asString();
            if (content.isString()) {
                turns.add(new ChatTurn(role, List.of(new ChatTurn.Text(content.asString())), true));
                continue;
            }
            List<ChatTurn.Part> parts = new ArrayList<>();
            for (JsonNode part : content) {
                parts.add(
                        switch (part.path("type").asString()) {
                            case "text" -> new ChatTurn.Text(part.path("text").asString());
                            case "video" -> new ChatTurn.Video(pictures++);
                            default -> new ChatTurn.Picture(pictures++);
                        });
            }
            turns.add(new ChatTurn(role, parts, false));
        }
        List<ReadyPicture> ready = new ArrayList<>();
        int firstRow = 0;
        for (GoldenCase.Picture picture : golden.pictures()) {
            PictureLayout layout = FamilyRegistry.load()
                    .familyOf(bundle)
                    .preprocessor(bundle)
                    .plan(
                            new PictureSource(
                                    picture.isVideo() ? Medium.VIDEO : Medium.PICTURE,
                                    picture.files().size(),
                                    picture.width(),
                                    picture.height()),
                            new PixelLimits(picture.minPixels(), picture.maxPixels()));
            assertThat(layout.tokens()).isEqualTo(picture.tokens());
            byte[] identity = (picture.files().toString() + layout).getBytes(java.nio.charset.StandardCharsets.UTF_8);
            PictureKey key = PictureKey.of(tenant, model, PixelLimits.NONE, PictureFiles.still(identity));
            ready.add(new ReadyPicture(key, layout, rows(golden, firstRow, layout.embeddingRows())));
            firstRow += layout.embeddingRows();
        }
        List<PromptJob.PictureRef> refs = ready.stream()
                .map(picture -> new PromptJob.PictureRef(picture.key(), true))
                .toList();
        Envelope envelope =
                new Envelope(golden.name(), model, tenant, 0, Instant.EPOCH, Instant.EPOCH.plusSeconds(60), "");
        String arguments = golden.request().templateArguments().toString();
        return new ReadyPrompt(
                new PromptJob(envelope, turns, arguments, refs, sampling), ready, 1, List.of(), StageTimes.ZERO);
    }

    private static Tensor rows(GoldenCase golden, int first, int count) {
        int width = golden.projectorOutput().shape()[1];
        ByteBuffer bytes = ByteBuffer.allocate(count * width * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(golden.projectorOutput().floats(), first * width, count * width);
        return new Tensor(DType.F32, new int[] {count, width}, bytes);
    }
}
