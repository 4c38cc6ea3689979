package org.vlmserve.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Pages of other origins: who may call, what a browser is told before and after. */
class CorsTest {

    private static final String HELLO =
            "{\"model\":\"line-reader\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";

    static {
        // Java's client sends no header of its own name otherwise.
        System.setProperty("jdk.httpclient.allowRestrictedHeaders", "origin");
    }

    private static TestGateway gateway;

    @BeforeAll
    static void start() {
        gateway = new TestGateway(
                new FakeRoad(),
                "vlm.cors.allowed-origins[0]=https://chat.example",
                "vlm.cors.allowed-origins[1]=http://localhost:[*]",
                "vlm.cors.max-age=90s",
                "vlm.api-keys[0].key=secret-key",
                "vlm.api-keys[0].tenant=alice");
    }

    @AfterAll
    static void stop() {
        gateway.close();
    }

    private static HttpResponse<String> preflight(String origin, String method) throws Exception {
        return gateway.send(TestGateway.request(gateway.url() + "/v1/chat/completions")
                .header("Origin", origin)
                .header("Access-Control-Request-Method", method)
                .header("Access-Control-Request-Headers", "authorization, content-type, x-stainless-lang")
                .method("OPTIONS", BodyPublishers.noBody()));
    }

    private static HttpRequest.Builder from(String origin, HttpRequest.Builder request) {
        return request.header("Origin", origin);
    }

    @Test
    void aPreflightNeedsNoKey() throws Exception {
        for (String origin : new String[] {"https://chat.example", "http://localhost:5173"}) {
            HttpResponse<String> response = preflight(origin, "POST");
            assertThat(response.statusCode()).isEqualTo(200);
            assertThat(response.headers().firstValue("access-control-allow-origin"))
                    .contains(origin);
            assertThat(response.headers()
                            .firstValue("access-control-allow-methods")
                            .orElseThrow())
                    .contains("POST");
            assertThat(response.headers()
                            .firstValue("access-control-allow-headers")
                            .orElseThrow())
                    .contains("authorization", "content-type", "x-stainless-lang");
            assertThat(response.headers().firstValue("access-control-max-age")).contains("90");
            assertThat(response.headers().firstValue("access-control-allow-credentials"))
                    .isEmpty();
        }
    }

    @Test
    void answersAndErrorsCanBeReadByThePage() throws Exception {
        HttpResponse<String> answer = gateway.send(
                from("https://chat.example", gateway.chat(HELLO)).header("authorization", "Bearer secret-key"));
        assertThat(answer.statusCode()).isEqualTo(200);
        assertThat(answer.headers().firstValue("access-control-allow-origin")).contains("https://chat.example");
        assertThat(answer.headers().firstValue("access-control-expose-headers").orElseThrow())
                .contains("x-request-id", "Retry-After");
        HttpResponse<String> refused = gateway.send(from("https://chat.example", gateway.chat(HELLO)));
        assertThat(refused.statusCode()).isEqualTo(401);
        assertThat(refused.headers().firstValue("access-control-allow-origin")).contains("https://chat.example");
        assertThat(refused.body()).contains("invalid_api_key");
    }

    @Test
    void othersAreRefused() throws Exception {
        assertThat(preflight("https://evil.example", "POST").statusCode()).isEqualTo(403);
        assertThat(preflight("https://chat.example", "DELETE").statusCode()).isEqualTo(403);
        HttpResponse<String> answer = gateway.send(
                from("https://evil.example", gateway.chat(HELLO)).header("authorization", "Bearer secret-key"));
        assertThat(answer.statusCode()).isEqualTo(403);
        assertThat(answer.headers().firstValue("access-control-allow-origin")).isEmpty();
    }
}
