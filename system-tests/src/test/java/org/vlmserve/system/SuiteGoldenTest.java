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
import tools.jackson.databind.node.ObjectNode;

/**
 * The whole suite, REST to Kafka to REST, gives the reference's greedy tokens in fp32, and its log-probabilities within
 * 1e-3, on every golden case of every checkpoint.
 */
final class SuiteGoldenTest {

    private static final double LOGPROB_TOLERANCE = 1e-3;

    private static SuiteUnderTest suite;

    @BeforeAll
    static void start() {
        Map<String, Bundle> bundles = new LinkedHashMap<>();
        for (GoldenCheckpoint checkpoint : Goldens.find().checkpoints()) {
            bundles.put(checkpoint.name(), Bundles.imported(checkpoint, Precision.FP32));
        }
        suite = SuiteUnderTest.start(bundles);
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

    private static int[] bytes(JsonNode token) {
        JsonNode bytes = token.path("bytes");
        int[] values = new int[bytes.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = bytes.get(i).asInt();
        }
        return values;
    }
}
