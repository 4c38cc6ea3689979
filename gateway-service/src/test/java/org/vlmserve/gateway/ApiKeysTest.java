package org.vlmserve.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;

@ExtendWith(OutputCaptureExtension.class)
class ApiKeysTest {

    private static final String HELLO =
            "{\"model\":\"line-reader\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";

    private static final FakeRoad road = new FakeRoad();
    private static TestGateway gateway;

    @BeforeAll
    static void start() {
        gateway = new TestGateway(
                road,
                "vlm.api-keys[0].key=key-of-alice",
                "vlm.api-keys[0].tenant=alice",
                "vlm.api-keys[1].key=key-of-bob",
                "vlm.api-keys[1].tenant=bob");
    }

    @AfterAll
    static void stop() {
        gateway.close();
    }

    private static HttpRequest.Builder as(String authorization) {
        return gateway.chat(HELLO).header("authorization", authorization);
    }

    @Test
    void keysNameTenantsAndAreNeverLogged(CapturedOutput output) throws Exception {
        assertThat(gateway.send(as("Bearer key-of-alice")).statusCode()).isEqualTo(200);
        assertThat(road.lastAsked().tenant()).isEqualTo("alice");
        assertThat(gateway.send(as("bearer key-of-bob")).statusCode()).isEqualTo(200);
        assertThat(road.lastAsked().tenant()).isEqualTo("bob");
        assertRefused(gateway.send(as("Bearer key-of-nobody")));

        assertThat(output.getOut()).contains("alice").doesNotContain("key-of-");
    }

    @Test
    void othersAreRefused() throws Exception {
        int before = road.asked().size();
        for (String wrong :
                new String[] {"Bearer key-of-alic", "Bearer key-of-alice2", "Basic key-of-alice", "Bearer "}) {
            assertRefused(gateway.send(as(wrong)));
        }
        assertRefused(gateway.ask(HELLO));
        assertRefused(gateway.get("/v1/models"));
        assertRefused(gateway.get("/v1/nowhere"));
        assertThat(road.asked()).hasSize(before);
    }

    @Test
    void aLargeBodyWithoutAKeyIsAnsweredNotReset() throws Exception {
        assertRefused(gateway.send(TestGateway.request(gateway.url() + "/v1/chat/completions")
                .header("content-type", "application/json")
                .POST(BodyPublishers.ofByteArray(new byte[20_000_000]))));
    }

    private static void assertRefused(HttpResponse<String> response) {
        assertThat(response.statusCode()).isEqualTo(401);
        assertThat(response.headers().firstValue("www-authenticate")).contains("Bearer");
        assertThat(TestGateway.json(response).at("/error/code").stringValue()).isEqualTo("invalid_api_key");
        assertThat(TestGateway.json(response).at("/error/type").stringValue()).isEqualTo("invalid_request_error");
    }
}
