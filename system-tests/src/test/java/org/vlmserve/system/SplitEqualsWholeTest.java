package org.vlmserve.system;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.vlmserve.decoder.DecoderConfig;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.importer.Precision;
import org.vlmserve.messaging.AskRequest.PictureInput;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.PromptJob;
import org.vlmserve.protocol.Sampling;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The suite, split over processes and Kafka, gives token for token what the same stage classes give joined in one process:
 * in int8, greedy and sampled with a seed, alone in one and in a crowd in the other.
 */
final class SplitEqualsWholeTest {

    /** As many as a decoder works on: of twice as many that wait it says that it is full, as long as its last status holds. */
    private static final int AT_ONCE = DecoderConfig.DEFAULTS.slots();

    private static final int MAX_TOKENS = 24;

    private record Question(String text, Path picture, double temperature, long seed) {}

    @Test
    void the_split_suite_gives_the_tokens_of_the_whole() throws Exception {
        Map<String, Bundle> bundles = new LinkedHashMap<>();
        Goldens.find()
                .checkpoints()
                .forEach(checkpoint -> bundles.put(checkpoint.name(), Bundles.imported(checkpoint, Precision.INT8)));
        Path shipped = Bundles.shippedCheckpoint();
        bundles.put(shipped.getFileName().toString(), Bundles.imported(shipped, Precision.INT8));
        List<Question> questions = questions();
        try (SuiteUnderTest suite = SuiteUnderTest.startAsReference(bundles, keys(questions.size()))) {
            for (Map.Entry<String, Bundle> bundle : bundles.entrySet()) {
                try (Whole whole = new Whole(bundle.getValue(), DecoderConfig.DEFAULTS, EngineOptions.ofThreads(1))) {
                    for (int from = 0; from < questions.size(); from += AT_ONCE) {
                        List<CompletableFuture<ChatClient.Reply>> split = new ArrayList<>();
                        int to = Math.min(questions.size(), from + AT_ONCE);
                        for (int i = from; i < to; i++) {
                            split.add(suite.client().askLater(request(bundle.getKey(), questions.get(i)), key(i)));
                        }
                        for (int i = from; i < to; i++) {
                            ChatClient.Reply reply = split.get(i - from).join();
                            assertThat(reply.status()).as("%s", reply.body()).isEqualTo(200);
                            assertThat(tokens(reply))
                                    .as("%s, %s", bundle.getKey(), questions.get(i))
                                    .isEqualTo(tokens(whole, tenant(i), questions.get(i)));
                        }
                    }
                }
            }
        }
    }

    // Each question has a tenant of its own: whether one finds another's prefix is a matter of time, and a prefix that
    // is
    // reused may change a log-probability's last digits (docs/decisions/0008).

    private static String tenant(int question) {
        return "tenant-" + question;
    }

    private static String key(int question) {
        return "key-of-tenant-" + question;
    }

    private static String[] keys(int questions) {
        return IntStream.rangeClosed(0, questions)
                .boxed()
                .flatMap(i -> Stream.of(
                        "vlm.api-keys[" + i + "].key=" + (i < questions ? key(i) : ChatClient.KEY),
                        "vlm.api-keys[" + i + "].tenant=" + tenant(i)))
                .toArray(String[]::new);
    }

    private static List<Question> questions() throws Exception {
        List<Path> pictures;
        try (var files = Files.list(Goldens.find().file("pictures"))) {
            pictures = files.filter(file -> file.toString().endsWith(".png"))
                    .sorted()
                    .limit(6)
                    .toList();
        }
        List<Question> questions = new ArrayList<>();
        for (Path picture : pictures) {
            questions.add(new Question("What does it say?", picture, 0, 1));
            questions.add(new Question("Describe the picture.", picture, 0.9, questions.size()));
        }
        return questions;
    }

    private static ObjectNode request(String model, Question question) {
        ObjectNode request = ChatClient.request(model, question.text(), question.picture());
        request.put("temperature", question.temperature())
                .put("seed", question.seed())
                .put("top_p", 0.95)
                .put("max_completion_tokens", MAX_TOKENS)
                .put("logprobs", true);
        return request;
    }

    /** Each token's bytes, and its log-probability to the last digit of a double. */
    private static List<String> tokens(ChatClient.Reply reply) {
        List<String> tokens = new ArrayList<>();
        for (JsonNode token : reply.body().at("/choices/0/logprobs/content")) {
            List<String> bytes = new ArrayList<>();
            token.path("bytes").forEach(each -> bytes.add(each.asString()));
            tokens.add(String.join(",", bytes) + " " + token.path("logprob").asDouble());
        }
        return tokens;
    }

    private static List<String> tokens(Whole whole, String tenant, Question question) throws Exception {
        Sampling sampling = new Sampling(
                MAX_TOKENS,
                null,
                question.temperature(),
                0.95,
                null,
                null,
                null,
                null,
                null,
                question.seed(),
                List.of(),
                0,
                Map.of(),
                false);
        ChatTurn turn =
                new ChatTurn("user", List.of(new ChatTurn.Picture(0), new ChatTurn.Text(question.text())), false);
        PictureInput picture =
                new PictureInput(PictureFiles.still(Files.readAllBytes(question.picture())), PixelLimits.NONE);
        return whole.answer(tenant, List.of(turn), PromptJob.NO_ARGUMENTS, List.of(picture), sampling).stream()
                .filter(AnswerEvent.Token.class::isInstance)
                .map(AnswerEvent.Token.class::cast)
                .map(AnswerEvent.Token::logprob)
                .map(SplitEqualsWholeTest::token)
                .toList();
    }

    private static String token(AnswerEvent.@org.jspecify.annotations.Nullable TokenLogprob token) {
        if (token == null) {
            throw new AssertionError("the whole gave a token without the log-probability that was asked for");
        }
        List<String> bytes = new ArrayList<>();
        for (byte each : token.bytes()) {
            bytes.add(Integer.toString(each & 0xff));
        }
        return bytes.stream().collect(Collectors.joining(",")) + " " + token.logprob();
    }
}
