package org.vlmserve.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vlmserve.gateway.http.Admission;
import org.vlmserve.protocol.Stage;
import org.vlmserve.protocol.error.ErrorCode;
import tools.jackson.databind.JsonNode;

/** Statuses, headers and error bodies, limits on size, and the shape of a whole answer. */
class HttpSurfaceTest {

    private static final String HELLO =
            "{\"model\":\"line-reader\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";

    private static final FakeRoad road = new FakeRoad();
    private static TestGateway gateway;

    @BeforeAll
    static void start() {
        gateway = new TestGateway(road, "vlm.request.max-picture=1MB");
    }

    @AfterAll
    static void stop() {
        gateway.close();
    }

    @BeforeEach
    void answer() {
        road.answers("Hello", " world");
    }

    private static void assertError(HttpResponse<String> response, int status, String code) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
        assertThat(response.headers().firstValue("content-type")).contains("application/json");
        assertThat(response.headers().firstValue("x-request-id").orElse("")).isNotEmpty();
        JsonNode error = TestGateway.json(response).get("error");
        assertThat(error.propertyNames()).containsExactlyInAnyOrder("message", "type", "param", "code");
        assertThat(error.get("code").stringValue()).isEqualTo(code);
        assertThat(error.get("message").stringValue()).isNotEmpty();
    }

    private static String withPicture(byte[] content) {
        return "{\"model\":\"line-reader\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
                + "\"image_url\":{\"url\":\"" + Pictures.dataUrl(content) + "\"}}]}]}";
    }

    @Test
    void wholeAnswerWithTheVlmObject() throws Exception {
        JsonNode answer = TestGateway.json(gateway.ask(withPicture(Pictures.png(640, 480))));

        assertThat(answer.get("object").stringValue()).isEqualTo("chat.completion");
        assertThat(answer.at("/choices/0/message/content").stringValue()).isEqualTo("Hello world");
        assertThat(answer.at("/choices/0/logprobs").isNull()).isTrue();
        assertThat(answer.at("/usage/prompt_tokens").intValue()).isEqualTo(394);
        assertThat(answer.at("/usage/completion_tokens").intValue()).isEqualTo(2);
        assertThat(answer.at("/usage/total_tokens").intValue()).isEqualTo(396);
        assertThat(answer.at("/usage/prompt_tokens_details/image_tokens").intValue())
                .isEqualTo(374);
        assertThat(answer.at("/usage/prompt_tokens_details/cached_tokens").intValue())
                .isEqualTo(8);
        JsonNode times = answer.at("/vlm/times_ms");
        assertThat(times.propertyNames())
                .containsExactly("queue", "picture_fetch", "picture_decode", "encode", "project", "prefill", "answer");
        assertThat(times.get("queue").doubleValue()).isEqualTo(1.0);
        assertThat(times.get("answer").doubleValue()).isEqualTo(6.0);
        assertThat(times.get("picture_fetch").doubleValue()).isPositive();
        assertThat(answer.at("/vlm/pictures/0"))
                .isEqualTo(
                        TestGateway.JSON.readTree("{\"medium\":\"picture\",\"source\":{\"width\":640,\"height\":480},"
                                + "\"resized\":{\"width\":616,\"height\":476},\"grids\":[[1,34,44]],\"tokens\":374}"));
        assertThat(answer.at("/vlm/regions"))
                .isEqualTo(TestGateway.JSON.readTree(
                        "[{\"label\":\"a cat\",\"picture\":0,\"x1\":1.5,\"y1\":2.0,\"x2\":320.0,\"y2\":240.0}]"));
        assertThat(answer.at("/vlm/notes")).isEqualTo(TestGateway.JSON.readTree("[\"top_k is 1\"]"));
    }

    @Test
    void fieldsWithoutEffectAreInTheAnswer() throws Exception {
        JsonNode answer = TestGateway.json(gateway.ask(HELLO.replace("}]}", ",\"name\":\"Bob\"}],\"user\":7}")));
        assertThat(answer.at("/vlm/ignored")).isEqualTo(TestGateway.JSON.readTree("[\"messages[0].name\",\"user\"]"));
        assertThat(TestGateway.json(gateway.ask(HELLO)).at("/vlm/ignored").isEmpty())
                .isTrue();
        assertError(gateway.ask(HELLO.replace("}]}", "}],\"tools\":[{}]}")), 400, "unsupported_field");
    }

    @Test
    void charactersThatEndUndecidedAndImpossibleTokensStayJson() throws Exception {
        road.onSubmit((request, listener) -> road.inOrder(() -> {
            listener.onEvent(new org.vlmserve.protocol.AnswerEvent.Token(
                    request.requestId(),
                    1,
                    "d",
                    0,
                    1,
                    "",
                    new org.vlmserve.protocol.AnswerEvent.TokenLogprob(
                            1, new byte[] {(byte) 0xE2}, Double.NEGATIVE_INFINITY),
                    java.util.List.of()));
            listener.onEvent(
                    FakeRoad.finished(request, org.vlmserve.protocol.AnswerEvent.FinishReason.LENGTH, "\uFFFD", 1));
        }));

        JsonNode answer = TestGateway.json(gateway.ask(HELLO.replace("}]}", "}],\"logprobs\":true}")));

        assertThat(answer.at("/choices/0/finish_reason").stringValue()).isEqualTo("length");
        assertThat(answer.at("/choices/0/message/content").stringValue()).isEqualTo("\uFFFD");
        assertThat(answer.at("/choices/0/logprobs/content/0/bytes/0").intValue())
                .isEqualTo(0xE2);
        assertThat(answer.at("/choices/0/logprobs/content/0/logprob").doubleValue())
                .isEqualTo(-9999.0);
    }

    @Test
    void pathsMethodsAndContentTypes() throws Exception {
        assertError(gateway.get("/v1/chat/completion"), 404, "path_not_found");
        assertError(gateway.get("/"), 404, "path_not_found");
        assertError(gateway.get("/v1/models/nobody"), 404, "model_not_found");
        HttpResponse<String> wrongMethod = gateway.get("/v1/chat/completions");
        assertError(wrongMethod, 405, "method_not_allowed");
        assertThat(wrongMethod.headers().firstValue("allow")).contains("POST");
        assertError(
                gateway.send(TestGateway.request(gateway.url() + "/v1/models").POST(BodyPublishers.ofString("{}"))),
                405,
                "method_not_allowed");
        for (String type : new String[] {"text/plain", "application/x-www-form-urlencoded", "nonsense", ""}) {
            assertError(
                    gateway.send(TestGateway.request(gateway.url() + "/v1/chat/completions")
                            .header("content-type", type)
                            .POST(BodyPublishers.ofString(HELLO))),
                    415,
                    "content_type_unsupported");
        }
        assertError(
                gateway.send(TestGateway.request(gateway.url() + "/v1/chat/completions")
                        .POST(BodyPublishers.ofString(HELLO))),
                415,
                "content_type_unsupported");
        assertThat(gateway.send(TestGateway.request(gateway.url() + "/v1/chat/completions")
                                .header("content-type", "application/json; charset=UTF-8")
                                .POST(BodyPublishers.ofString(HELLO)))
                        .statusCode())
                .isEqualTo(200);
    }

    @Test
    void pagesOfOtherOriginsAreToldNothingUnlessConfigured() throws Exception {
        for (String method : new String[] {"OPTIONS", "GET"}) {
            try (RawClient client = new RawClient(gateway)) {
                client.send(method + " /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                        + "Origin: https://chat.example\r\nAccess-Control-Request-Method: GET\r\n\r\n");
                assertThat(client.readAll()).startsWith("HTTP/1.1 200").doesNotContainIgnoringCase("access-control");
            }
        }
    }

    @Test
    void malformedBodiesAndUnknownModels() throws Exception {
        assertError(gateway.ask("{\"model\":"), 400, "invalid_request");
        assertError(gateway.ask(""), 400, "invalid_request");
        HttpResponse<String> unknown = gateway.ask(HELLO.replace("line-reader", "nobody"));
        assertError(unknown, 404, "model_not_found");
        assertThat(TestGateway.json(unknown).at("/error/param").stringValue()).isEqualTo("model");
    }

    @Test
    void modelsWithoutADecoderAreNotListed() throws Exception {
        road.model("half-there", Stage.VISION_ENCODER, Stage.PROJECTOR);

        assertThat(gateway.get("/v1/models").body()).contains("line-reader").doesNotContain("half-there");
        HttpResponse<String> one = gateway.get("/v1/models/half-there");
        assertError(one, 503, "stage_unavailable");
        assertThat(one.headers().firstValue("retry-after")).contains("2");
    }

    @Test
    void modelsSayWhatTheyTakeNow() throws Exception {
        road.model("texts-only", Stage.DECODER);
        assertThat(modalities("texts-only")).isEqualTo("[\"text\"]");
        assertThat(modalities("line-reader")).isEqualTo("[\"text\",\"image\"]");
        assertThat(gateway.get("/v1/models").body()).contains("texts-only");
    }

    private static String modalities(String model) throws Exception {
        return TestGateway.json(gateway.get("/v1/models/" + model))
                .at("/vlm/input_modalities")
                .toString();
    }

    @Test
    void requestIdsAreTakenIfSafeAndMadeOtherwise() throws Exception {
        assertThat(id("abc-DEF_1.2:3")).isEqualTo("abc-DEF_1.2:3");
        assertThat(id("x".repeat(128))).isEqualTo("x".repeat(128));
        assertThat(id("x".repeat(129))).hasSize(36);
        assertThat(id("a b")).hasSize(36);
        assertThat(id("a\"b")).hasSize(36);
        assertThat(id("")).hasSize(36);
        assertThat(gateway.ask(HELLO).headers().firstValue("x-request-id").orElseThrow())
                .hasSize(36);
    }

    private static String id(String given) throws Exception {
        return gateway.send(TestGateway.request(gateway.url() + "/v1/models").header("x-request-id", given))
                .headers()
                .firstValue("x-request-id")
                .orElseThrow();
    }

    @Test
    void everyCodeKeepsItsStatus() throws Exception {
        for (ErrorCode code : ErrorCode.values()) {
            road.fails(code, "as scripted");
            HttpResponse<String> response = gateway.ask(HELLO);
            assertError(response, code.httpStatus() == 0 ? 500 : code.httpStatus(), code.wireName());
            boolean waits = response.statusCode() == 429 || response.statusCode() == 503;
            assertThat(response.headers().firstValue("retry-after").isPresent()).isEqualTo(waits);
        }
        road.onSubmit((request, listener) -> {
            throw new IllegalStateException("secret detail");
        });
        HttpResponse<String> response = gateway.ask(HELLO);
        assertError(response, 500, "internal");
        assertThat(response.body()).doesNotContain("secret detail");
    }

    @Test
    void picturesOfOtherTypesAndSizesAreRefusedBeforeTheRoad() throws Exception {
        int before = road.asked().size();

        HttpResponse<String> text = gateway.ask(withPicture("just text".getBytes(StandardCharsets.UTF_8)));
        assertError(text, 415, "picture_type_unsupported");
        assertThat(TestGateway.json(text).at("/error/param").stringValue())
                .isEqualTo("messages[0].content[0].image_url.url");
        assertError(gateway.ask(withPicture(new byte[0])), 422, "picture_unreadable");
        assertError(gateway.ask(withPicture(Pictures.pngOfBytes((1 << 20) + 1))), 413, "picture_too_large");
        assertError(
                gateway.ask(withPicture(Pictures.png(2, 2)).replace("base64,", "base64,@")), 400, "invalid_request");
        assertThat(road.asked()).hasSize(before);

        assertThat(gateway.ask(withPicture(Pictures.pngOfBytes(1 << 20))).statusCode())
                .isEqualTo(200);
        assertThat(gateway.ask(withPicture(Pictures.jpeg(3, 3))).statusCode()).isEqualTo(200);
    }

    @Test
    void aBodyOfThirtyMegabytesIsAnsweredNotReset() throws Exception {
        int before = road.asked().size();
        String body = withPicture(new byte[22_500_000]);
        assertThat(body.length()).isGreaterThan(30_000_000);

        assertError(gateway.ask(body), 413, "request_too_large");
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        assertError(
                gateway.send(TestGateway.request(gateway.url() + "/v1/chat/completions")
                        .header("content-type", "application/json")
                        .POST(BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(bytes)))),
                413,
                "request_too_large");
        assertError(
                gateway.send(
                        TestGateway.request(gateway.url() + "/v1/nowhere").POST(BodyPublishers.ofByteArray(bytes))),
                404,
                "path_not_found");
        assertThat(road.asked()).hasSize(before);
        assertNothingInFlight();
    }

    @Test
    void aClientThatAsksBeforeItSendsIsSparedTheBody() throws Exception {
        try (Socket socket = new Socket("localhost", gateway.port())) {
            socket.setSoTimeout(10_000);
            OutputStream out = socket.getOutputStream();
            out.write(("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                            + "Content-Length: 40000000\r\nExpect: 100-continue\r\n\r\n")
                    .getBytes(StandardCharsets.US_ASCII));
            InputStream in = socket.getInputStream();
            String answer = new String(in.readAllBytes(), StandardCharsets.UTF_8);

            assertThat(answer).startsWith("HTTP/1.1 413").contains("request_too_large");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "-1", "1.5", "soon", "9999999999999"})
    void timeoutsAreChecked(String value) throws Exception {
        HttpResponse<String> response = gateway.send(gateway.chat(HELLO).header("x-request-timeout-ms", value));

        assertError(response, 400, "invalid_request");
        assertThat(TestGateway.json(response).at("/error/param").stringValue()).isEqualTo("x-request-timeout-ms");
    }

    @Test
    void theDeadlineEndsWhatNobodyAnswers() throws Exception {
        road.onSubmit((request, listener) -> {});

        HttpResponse<String> response = gateway.send(gateway.chat(HELLO).header("x-request-timeout-ms", "200"));

        assertError(response, 504, "deadline_exceeded");
        String id = road.lastAsked().requestId();
        await().until(() -> road.cancelled().contains(id));
        assertNothingInFlight();
    }

    @Test
    void theDeadlineIsAtMostTheConfiguredOne() throws Exception {
        java.time.Instant before = java.time.Instant.now();
        gateway.send(gateway.chat(HELLO).header("x-request-timeout-ms", "999999999999"));
        assertThat(road.lastAsked().deadline())
                .isBetween(
                        before.plus(Duration.ofMinutes(5)),
                        java.time.Instant.now().plus(Duration.ofMinutes(5)));
    }

    @Test
    void theTraceAndTheTenantGoAlong() throws Exception {
        String trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        gateway.send(gateway.chat(HELLO).header("traceparent", trace));
        assertThat(road.lastAsked().traceParent()).isEqualTo(trace);
        assertThat(road.lastAsked().tenant()).isEqualTo("default");

        gateway.send(gateway.chat(HELLO).header("traceparent", "rubbish"));
        assertThat(road.lastAsked().traceParent()).isEmpty();
    }

    private static void assertNothingInFlight() {
        Admission admission = gateway.context().getBean(Admission.class);
        await().until(() -> admission.requestsInFlight() == 0 && admission.bytesInFlight() == 0);
    }
}
