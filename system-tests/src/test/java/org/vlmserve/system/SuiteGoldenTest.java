package org.vlmserve.system;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.importer.Precision;
import org.vlmserve.testing.GoldenCase;
import org.vlmserve.testing.GoldenCheckpoint;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The whole suite, REST to Kafka to REST, gives the reference's greedy tokens in fp32, and its log-probabilities within
 * 1e-3, on every golden case of every checkpoint. Two vision encoders share the work, and with it the tiles of one picture.
 */
final class SuiteGoldenTest {

    private static final double LOGPROB_TOLERANCE = 1e-3;

    /** Counts jobs: a picture, and each of its parts behind the first. */
    private static final String HANDLED = "vlm_jobs_handled_total";

    private static SuiteUnderTest suite;
    private static ServiceProcess secondEncoder;

    @BeforeAll
    static void start() {
        Map<String, Bundle> bundles = new LinkedHashMap<>();
        for (GoldenCheckpoint checkpoint : Goldens.find().checkpoints()) {
            bundles.put(checkpoint.name(), Bundles.imported(checkpoint, Precision.FP32));
        }
        suite = SuiteUnderTest.startAsReference(bundles);
        secondEncoder = suite.launch("vision-encoder", List.of());
        suite.awaitReady();
    }

    @AfterAll
    static void stop() {
        suite.close();
    }

    static List<GoldenCase> cases() {
        return Goldens.find().checkpoints().stream()
                .flatMap(checkpoint -> checkpoint.cases().stream())
                .toList();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void the_suite_answers_as_the_reference_does(GoldenCase golden) {
        ObjectNode request = GoldenRequests.of(golden);
        request.put("logprobs", true).put("top_logprobs", 5);

        ChatClient.Reply reply = suite.client().ask(request);

        assertThat(reply.status()).as("%s\n%s", reply.body(), golden).isEqualTo(200);
        JsonNode body = reply.body();
        assertThat(body.at("/usage/prompt_tokens").asInt()).isEqualTo(golden.promptTokens());
        assertThat(body.at("/usage/prompt_tokens_details/image_tokens").asInt()).isEqualTo(golden.pictureTokens());
        assertThat(body.at("/usage/completion_tokens").asInt())
                .isEqualTo(golden.steps().size());
        assertThat(reply.text()).isEqualTo(golden.text());
        assertThat(body.at("/choices/0/finish_reason").asString()).isEqualTo(golden.finishReason());
        JsonNode tokens = body.at("/choices/0/logprobs/content");
        for (int i = 0; i < tokens.size(); i++) {
            GoldenCase.Step step = golden.steps().get(i);
            assertThat(bytes(tokens.get(i))).as("bytes of token %d", i).isEqualTo(step.bytes());
            assertThat(tokens.get(i).path("logprob").asDouble())
                    .as("log-probability of token %d", i)
                    .isCloseTo(step.logprob(), within(LOGPROB_TOLERANCE));
            JsonNode top = tokens.get(i).path("top_logprobs");
            assertThat(top.size()).isEqualTo(step.top().size());
            for (int j = 0; j < top.size(); j++) {
                assertThat(top.get(j).path("logprob").asDouble())
                        .as("log-probability %d of token %d", j, i)
                        .isCloseTo(step.top().get(j).logprob(), within(LOGPROB_TOLERANCE));
            }
        }
        assertThat(tokens.size()).isEqualTo(golden.steps().size());
        for (int i = 0; i < golden.pictures().size(); i++) {
            GoldenCase.Picture picture = golden.pictures().get(i);
            JsonNode reported = body.at("/vlm/pictures/" + i);
            assertThat(reported.at("/resized/width").asInt()).isEqualTo(picture.resizedWidth());
            assertThat(reported.at("/resized/height").asInt()).isEqualTo(picture.resizedHeight());
            assertThat(reported.path("tokens").asInt()).isEqualTo(picture.tokens());
            assertThat(reported.path("medium").asString()).isEqualTo(picture.isVideo() ? "video" : "picture");
            assertThat(reported.at("/source/frames").asInt(1))
                    .isEqualTo(picture.files().size());
        }
        if (!golden.pictures().isEmpty()) {
            ChatClient.Reply plan = suite.client().plan(GoldenRequests.planOf(request));
            assertThat(plan.status()).as("%s", plan.body()).isEqualTo(200);
            assertThat(plan.body().path("pictures")).isEqualTo(body.at("/vlm/pictures"));
            assertThat(plan.body().path("tokens").asInt()).isEqualTo(golden.pictureTokens());
        }
    }

    /** One case of each checkpoint whose only picture or video is encoded in parts. */
    static List<GoldenCase> inParts() {
        return Goldens.find().checkpoints().stream()
                .flatMap(checkpoint -> checkpoint.cases().stream()
                        .filter(golden -> golden.pictures().size() == 1
                                && golden.pictures().getFirst().grids().size() > 2)
                        .limit(1))
                .toList();
    }

    @ParameterizedTest
    @MethodSource("inParts")
    void two_encoders_encode_one_picture(GoldenCase golden) {
        ServiceProcess firstEncoder = suite.instance("vision-encoder");
        boolean shared = false;
        for (int ask = 1; ask <= 20 && !shared; ask++) {
            double first = firstEncoder.metric(HANDLED);
            double second = secondEncoder.metric(HANDLED);
            assertThat(suite.client().ask(afresh(golden, ask)).text()).isEqualTo(golden.text());
            shared = firstEncoder.metric(HANDLED) > first && secondEncoder.metric(HANDLED) > second;
        }
        assertThat(shared).as("both encoders had a part of one picture").isTrue();
    }

    /** The case's question about pictures that no decoder has yet: bytes after their ends change nothing else. */
    private static ObjectNode afresh(GoldenCase golden, int ask) {
        ObjectNode request = GoldenRequests.of(golden);
        for (JsonNode message : request.get("messages")) {
            for (JsonNode part : message.path("content")) {
                if (part.path("image_url") instanceof ObjectNode picture) {
                    picture.put(
                            "url", ChatClient.withTrailer(picture.path("url").asString(), (byte) ask));
                } else if (part.path("video") instanceof ArrayNode frames) {
                    for (int i = 0; i < frames.size(); i++) {
                        frames.set(i, ChatClient.withTrailer(frames.get(i).asString(), (byte) ask));
                    }
                }
            }
        }
        return request;
    }

    private static int[] bytes(JsonNode token) {
        JsonNode bytes = token.path("bytes");
        int[] values = new int[bytes.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = bytes.get(i).asInt();
        }
        return values;
    }
}
