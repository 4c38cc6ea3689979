package org.vlmserve.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vlmserve.gateway.http.Admission;
import org.vlmserve.messaging.AnswerListener;
import org.vlmserve.messaging.AskRequest;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.AnswerEvent.FinishReason;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.databind.JsonNode;

/** Server-sent events byte by byte, and what happens when one end goes away or falls behind. */
class StreamingTest {

    private static final String STREAM =
            "{\"model\":\"line-reader\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";

    private static final FakeRoad road = new FakeRoad();
    private static TestGateway gateway;

    @BeforeAll
    static void start() {
        gateway = new TestGateway(
                road, "vlm.stream.keep-alive=300ms", "vlm.stream.buffered-bytes=1MB", "vlm.stream.write-timeout=1s");
    }

    @AfterAll
    static void stop() {
        gateway.close();
    }

    private record Asked(AskRequest request, AnswerListener listener) {

        void token(int index, String text) {
            road.inOrder(() -> listener.onEvent(FakeRoad.token(request, index, text)));
        }

        void finish(String text, int tokens) {
            road.inOrder(() -> listener.onEvent(FakeRoad.finished(request, FinishReason.STOP, text, tokens)));
        }

        void fail(ErrorCode code, String message) {
            road.inOrder(
                    () -> listener.onEvent(new AnswerEvent.Failed(request.requestId(), 1, "decoder-1", code, message)));
        }
    }

    /** The next request that reaches the road, which answers nothing by itself. */
    private static CompletableFuture<Asked> nextAsked() {
        CompletableFuture<Asked> asked = new CompletableFuture<>();
        road.onSubmit((request, listener) -> asked.complete(new Asked(request, listener)));
        return asked;
    }

    private static List<JsonNode> data(String body) {
        List<JsonNode> events = new ArrayList<>();
        for (String event : body.split("\n\n")) {
            if (event.startsWith("data: ") && !event.equals("data: [DONE]")) {
                events.add(TestGateway.JSON.readTree(event.substring(6)));
            }
        }
        return events;
    }

    private static void assertNothingInFlight() {
        Admission admission = gateway.context().getBean(Admission.class);
        await().until(() -> admission.requestsInFlight() == 0 && admission.bytesInFlight() == 0);
    }

    @Test
    void roleTextsReasonAndDone() throws Exception {
        road.answers("Hel", "", "lo");

        HttpResponse<String> response = gateway.ask(STREAM);

        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(response.headers().firstValue("content-type")).contains("text/event-stream");
        assertThat(response.headers().firstValue("x-request-id")).isPresent();
        assertThat(response.body()).endsWith("}\n\ndata: [DONE]\n\n");
        List<JsonNode> events = data(response.body());
        assertThat(events).hasSize(4);
        assertThat(events.get(0).at("/choices/0/delta"))
                .isEqualTo(TestGateway.JSON.readTree("{\"role\":\"assistant\",\"content\":\"\"}"));
        assertThat(events.get(1).at("/choices/0/delta/content").stringValue()).isEqualTo("Hel");
        assertThat(events.get(2).at("/choices/0/delta/content").stringValue()).isEqualTo("lo");
        assertThat(events.get(2).at("/choices/0/finish_reason").isNull()).isTrue();
        assertThat(events.get(3).at("/choices/0/delta").isEmpty()).isTrue();
        assertThat(events.get(3).at("/choices/0/finish_reason").stringValue()).isEqualTo("stop");
        assertThat(events.get(3).at("/vlm/times_ms/encode").doubleValue()).isEqualTo(3.0);
        assertThat(events.stream().map(event -> event.get("id")).distinct()).hasSize(1);
        assertThat(events.stream().limit(3)).noneMatch(event -> event.has("vlm") || event.has("usage"));
    }

    @Test
    void usageIsTheLastChunkIfWanted() throws Exception {
        road.answers("Hello");

        String body = gateway.ask(STREAM.replace("true", "true,\"x\":1,\"stream_options\":{\"include_usage\":true}"))
                .body();

        List<JsonNode> events = data(body);
        assertThat(events.getLast().get("choices").isEmpty()).isTrue();
        assertThat(events.getLast().at("/usage/total_tokens").intValue()).isEqualTo(21);
        assertThat(events.getLast().at("/vlm/ignored/0").stringValue()).isEqualTo("x");
        assertThat(events.get(events.size() - 2).has("vlm")).isFalse();
    }

    @Test
    void textThatCameWithNoTokenIsSentBeforeTheEnd() throws Exception {
        road.onSubmit((request, listener) -> road.inOrder(() -> {
            listener.onEvent(FakeRoad.token(request, 0, "caf"));
            listener.onEvent(FakeRoad.finished(request, FinishReason.LENGTH, "caf\uFFFD", 2));
        }));

        List<JsonNode> events = data(gateway.ask(STREAM).body());

        assertThat(events.get(2).at("/choices/0/delta/content").stringValue()).isEqualTo("\uFFFD");
        assertThat(events.get(3).at("/choices/0/finish_reason").stringValue()).isEqualTo("length");
    }

    @Test
    void logprobsComeWithTheirTokens() throws Exception {
        road.answers("a", "");

        List<JsonNode> events = data(gateway.ask(STREAM.replace("true", "true,\"logprobs\":true,\"top_logprobs\":1"))
                .body());

        assertThat(events).hasSize(4);
        assertThat(events.get(1).at("/choices/0/logprobs/content/0/token").stringValue())
                .isEqualTo("a");
        assertThat(events.get(1)
                        .at("/choices/0/logprobs/content/0/top_logprobs/0/logprob")
                        .doubleValue())
                .isEqualTo(-1.0);
        assertThat(events.get(2).at("/choices/0/delta/content").stringValue()).isEmpty();
        assertThat(events.get(2).at("/choices/0/logprobs/content/0/bytes").isEmpty())
                .isTrue();
    }

    @Test
    void aFailureBeforeTheFirstEventIsAStatus() throws Exception {
        road.fails(ErrorCode.PROMPT_TOO_LONG, "5000 tokens, 4096 fit");
        HttpResponse<String> response = gateway.ask(STREAM);

        assertThat(response.statusCode()).isEqualTo(422);
        assertThat(response.headers().firstValue("content-type")).contains("application/json");
        assertThat(TestGateway.json(response).at("/error/code").stringValue()).isEqualTo("prompt_too_long");

        road.onSubmit((request, listener) -> {
            throw new VlmException(ErrorCode.OVERLOADED, "each decoder is full");
        });
        assertThat(gateway.ask(STREAM).statusCode()).isEqualTo(429);
    }

    @Test
    void aFailureInTheMiddleIsAnEventWithoutDone() throws Exception {
        CompletableFuture<Asked> asked = nextAsked();
        CompletableFuture<HttpResponse<String>> response =
                gateway.client().sendAsync(gateway.chat(STREAM).build(), HttpResponse.BodyHandlers.ofString());
        asked.join().token(0, "Hel");
        asked.join().fail(ErrorCode.POISONED, "three decoders died");

        String body = response.join().body();
        assertThat(response.join().statusCode()).isEqualTo(200);
        assertThat(body).doesNotContain("[DONE]");
        assertThat(data(body).getLast().at("/error/code").stringValue()).isEqualTo("poisoned");
        assertThat(data(body).getLast().at("/error/type").stringValue()).isEqualTo("server_error");
    }

    @Test
    void silenceIsFilledAndCommits() throws Exception {
        CompletableFuture<Asked> asked = nextAsked();
        try (Client client = new Client(STREAM)) {
            client.readUntil(": keep-alive\n\n");
            assertThat(client.seen()).startsWith("HTTP/1.1 200").doesNotContain("data:");
            asked.join().token(0, "Hello");
            client.readUntil("Hello");
            client.readUntil(": keep-alive\n\n");
            asked.join().fail(ErrorCode.INTERNAL, "late");
            client.readUntil("\"late\"");
        }
    }

    @Test
    void theDeadlineEndsAStream() throws Exception {
        CompletableFuture<Asked> asked = nextAsked();
        CompletableFuture<HttpResponse<String>> response = gateway.client()
                .sendAsync(
                        gateway.chat(STREAM)
                                .header("x-request-timeout-ms", "700")
                                .build(),
                        HttpResponse.BodyHandlers.ofString());
        asked.join().token(0, "Hello");

        assertThat(data(response.join().body()).getLast().at("/error/code").stringValue())
                .isEqualTo("deadline_exceeded");
        await().until(() -> road.cancelled().contains(asked.join().request().requestId()));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aClientThatGoesAwayCancels(boolean stream) throws Exception {
        CompletableFuture<Asked> asked = nextAsked();
        Client client = new Client(stream ? STREAM : STREAM.replace("true", "false"));
        String id = asked.join().request().requestId();
        asked.join().token(0, "Hello");
        if (stream) {
            client.readUntil("Hello");
        }
        assertThat(road.cancelled()).doesNotContain(id);

        client.close();

        await().until(() -> road.cancelled().contains(id));
        assertNothingInFlight();
    }

    @Test
    void aClientThatGoesAwayWhileTheRoadStillSubmitsCancels() throws Exception {
        CompletableFuture<Void> mayReturn = new CompletableFuture<>();
        CompletableFuture<AskRequest> asked = new CompletableFuture<>();
        CompletableFuture<Boolean> interrupted = new CompletableFuture<>();
        road.onSubmit((request, listener) -> {
            asked.complete(request);
            mayReturn.join();
            interrupted.complete(Thread.currentThread().isInterrupted());
        });
        Client client = new Client(STREAM);
        String id = asked.join().requestId();

        client.close();
        assertNothingInFlight();
        mayReturn.complete(null);

        await().until(() -> road.cancelled().contains(id));
        assertThat(interrupted.join()).isFalse();
    }

    @Test
    void anAnswerThatIsOverIsNotCancelled() throws Exception {
        road.answers("Hello");
        gateway.ask(STREAM);
        gateway.ask(STREAM.replace("true", "false"));
        assertNothingInFlight();

        assertThat(road.cancelled())
                .doesNotContain(
                        road.lastAsked().requestId(),
                        road.asked().get(road.asked().size() - 2).requestId());
    }

    @Test
    void aReaderThatStopsReadingIsCancelledAndClosed() throws Exception {
        CompletableFuture<Asked> asked = nextAsked();
        try (Client client = new Client(STREAM)) {
            String id = asked.join().request().requestId();
            String text = "x".repeat(10_000);
            int sent = 0;
            while (!road.cancelled().contains(id)) {
                asked.join().token(sent++, text);
                if (sent % 100 == 0) {
                    CompletableFuture<Void> handled = new CompletableFuture<>();
                    road.inOrder(() -> handled.complete(null));
                    handled.join();
                }
                assertThat(sent).as("events taken from the road").isLessThan(100_000);
            }
            assertNothingInFlight();
        }
    }

    /** A client with a socket of its own, so that it can read slowly and leave rudely. */
    private static final class Client implements AutoCloseable {

        private final Socket socket = new Socket();
        private final StringBuilder seen = new StringBuilder();

        Client(String body) throws IOException {
            socket.setReceiveBufferSize(8 << 10);
            socket.setSoTimeout(20_000);
            socket.connect(new java.net.InetSocketAddress("localhost", gateway.port()));
            byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
            socket.getOutputStream()
                    .write(("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                                    + "Content-Type: application/json\r\nContent-Length: " + bytes.length + "\r\n\r\n")
                            .getBytes(StandardCharsets.US_ASCII));
            socket.getOutputStream().write(bytes);
        }

        /** Reads on until this was seen after what was read before. */
        void readUntil(String text) throws IOException {
            int from = seen.length();
            InputStream in = socket.getInputStream();
            while (seen.indexOf(text, from) < 0) {
                int next = in.read();
                assertThat(next).as("stream ended after: " + seen).isNotNegative();
                seen.append((char) next);
            }
        }

        String seen() {
            return seen.toString();
        }

        @Override
        public void close() throws IOException {
            socket.close();
        }
    }
}
