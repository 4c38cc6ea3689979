package org.vlmserve.system;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vlmserve.importer.Precision;
import org.vlmserve.testing.GoldenCase;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** Parts of the suite die; callers get the same answers, or a typed error before their deadline. */
final class ChaosTest {

    private static final String MODEL = "nested-untied";
    private static final Duration READY = Duration.ofSeconds(120);

    /** Requests that a decoder is answering. */
    private static final String ANSWERING = "vlm_prompts_running";

    /** Fewer requests than fill the queue of a decoder, which refuses what comes beyond: that is another test's matter. */
    private static final int AT_ONCE = 7;

    private SuiteUnderTest suite;

    @BeforeEach
    void start() {
        Path checkpoint = Goldens.find().checkpoint("qwen2_vl", MODEL).directory();
        suite = SuiteUnderTest.startAsReference(Map.of(MODEL, Bundles.imported(checkpoint, Precision.FP32)));
    }

    @AfterEach
    void stop() {
        suite.close();
    }

    @Test
    void encoders_and_projectors_die_and_no_client_notices() {
        List<ServiceProcess> doomed = new ArrayList<>();
        for (String stage : List.of("vision-encoder", "projector")) {
            doomed.add(suite.launch(stage, List.of()).awaitReady(READY));
        }
        List<GoldenCase> questions = withPictures();
        List<CompletableFuture<ChatClient.Reply>> answers = new ArrayList<>();
        Semaphore room = new Semaphore(AT_ONCE);
        for (int round = 0; round < 3; round++) {
            for (GoldenCase question : questions) {
                room.acquireUninterruptibly();
                answers.add(suite.client()
                        .askLater(GoldenRequests.of(question))
                        .whenComplete((reply, failure) -> room.release()));
                if (round == 1) {
                    doomed.forEach(ServiceProcess::kill);
                    doomed.clear();
                }
            }
        }
        for (int i = 0; i < answers.size(); i++) {
            ChatClient.Reply reply = answers.get(i).join();
            GoldenCase question = questions.get(i % questions.size());
            assertThat(reply.status()).as("%s: %s", question, reply.body()).isEqualTo(200);
            assertThat(reply.text()).isEqualTo(question.text());
        }
    }

    @Test
    void a_decoder_dies_in_mid_answer_and_another_goes_on_without_a_doubled_token() {
        ObjectNode request = longRequest();
        List<ServiceProcess> decoders = List.of(
                suite.instance("decoder"), suite.launch("decoder", List.of()).awaitReady(READY));
        String uninterrupted = suite.client().ask(request).text();
        // The first look at metrics takes as long as an answer.
        decoders.forEach(decoder -> decoder.metric(ANSWERING));

        try (Stream<String> lines = suite.client().openStream(request)) {
            Iterator<String> stream = lines.iterator();
            StringBuilder text = new StringBuilder();
            boolean killed = false;
            boolean done = false;
            long deadline = System.nanoTime() + Duration.ofSeconds(90).toNanos();
            while (stream.hasNext()) {
                String line = stream.next();
                assertThat(System.nanoTime() - deadline)
                        .as("time of the answer")
                        .isNegative();
                if (!line.startsWith("data:")) {
                    continue;
                }
                if (line.endsWith("[DONE]")) {
                    done = true;
                    continue;
                }
                JsonNode chunk = ChatClient.JSON.readTree(line.substring(5));
                assertThat(chunk.has("error")).as("%s\n%s", chunk, suite.logs()).isFalse();
                text.append(chunk.at("/choices/0/delta/content").asString(""));
                if (!killed && text.length() > 20) {
                    ServiceProcess answering = decoders.stream()
                            .filter(decoder -> decoder.metric(ANSWERING) > 0)
                            .findFirst()
                            .orElseThrow();
                    answering.kill();
                    killed = true;
                }
            }
            assertThat(killed).as("the decoder was killed in mid-answer").isTrue();
            assertThat(done).isTrue();
            assertThat(text.toString()).isEqualTo(uninterrupted);
        }
    }

    @Test
    void one_decoder_becomes_three_under_twenty_requests() {
        List<GoldenCase> questions = Goldens.find().checkpoint("qwen2_vl", MODEL).cases().stream()
                .filter(question -> question.request().templateArguments().isEmpty())
                .toList();
        List<CompletableFuture<ChatClient.Reply>> answers = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            answers.add(suite.client().askLater(GoldenRequests.of(questions.get(i % questions.size()))));
        }
        suite.launch("decoder", List.of());
        ServiceProcess third = suite.launch("decoder", List.of());
        third.awaitReady(READY);
        for (int i = 10; i < 20; i++) {
            answers.add(suite.client().askLater(GoldenRequests.of(questions.get(i % questions.size()))));
        }
        for (int i = 0; i < answers.size(); i++) {
            ChatClient.Reply reply = answers.get(i).join();
            GoldenCase question = questions.get(i % questions.size());
            assertThat(reply.status()).as("%s: %s", question, reply.body()).isEqualTo(200);
            assertThat(reply.text()).isEqualTo(question.text());
        }
    }

    @Test
    void without_an_encoder_a_picture_gets_503_within_six_seconds_and_text_still_works() {
        suite.instance("vision-encoder").kill();
        Await.until("the silent encoder to be noticed", Duration.ofSeconds(7), () -> {
            ChatClient.Reply reply =
                    suite.client().ask(GoldenRequests.of(withPictures().getFirst()));
            return reply.status() == 503 && reply.errorCode().equals("stage_unavailable");
        });
        ChatClient.Reply refused =
                suite.client().ask(GoldenRequests.of(withPictures().getFirst()));
        assertThat(refused.body().at("/error/message").asString()).contains("vision-encoder");
    }

    @Test
    void sigterm_hands_work_back_and_ends_cleanly() {
        ServiceProcess second = suite.launch("decoder", List.of()).awaitReady(READY);
        CompletableFuture<ChatClient.Reply> answer = suite.client().askLater(longRequest());
        int status = second.terminate();
        assertThat(status).isIn(0, 143);
        assertThat(answer.join().status()).isEqualTo(200);
    }

    private static ObjectNode longRequest() {
        ObjectNode request = ChatClient.request(MODEL, "Tell me a long story about boats and numbers.");
        request.put("max_completion_tokens", 600).put("ignore_eos", true);
        return request;
    }

    private static List<GoldenCase> withPictures() {
        return Goldens.find().checkpoint("qwen2_vl", MODEL).cases().stream()
                .filter(question -> !question.pictures().isEmpty())
                .filter(question -> question.request().templateArguments().isEmpty())
                .toList();
    }
}
