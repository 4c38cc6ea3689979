package org.vlmserve.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.net.http.HttpResponse;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.vlmserve.protocol.error.ErrorCode;
import tools.jackson.databind.JsonNode;

/** What an operator sees: health, metrics, logs. */
@ExtendWith(OutputCaptureExtension.class)
class ManagementTest {

    private static final String HELLO =
            "{\"model\":\"line-reader\",\"messages\":[{\"role\":\"user\",\"content\":\"a private question\"}]}";

    private static final FakeRoad road = new FakeRoad();
    private static TestGateway gateway;

    @BeforeAll
    static void start() {
        gateway = new TestGateway(road);
    }

    @AfterAll
    static void stop() {
        gateway.close();
    }

    private static HttpResponse<String> manage(String path) throws Exception {
        return gateway.send(TestGateway.request("http://localhost:" + gateway.managementPort() + path));
    }

    @Test
    void healthIsOnAPortOfItsOwn() throws Exception {
        assertThat(manage("/actuator/health/liveness").body()).contains("UP");
        assertThat(manage("/actuator/health/readiness").statusCode()).isEqualTo(200);
        HttpResponse<String> health = manage("/actuator/health");
        assertThat(TestGateway.json(health).get("status").stringValue()).isEqualTo("UP");
        assertThat(TestGateway.json(health)
                        .at("/components/models/details/line-reader")
                        .stringValue())
                .isEqualTo("0123456789ab");
        assertThat(gateway.get("/actuator/health").statusCode()).isEqualTo(404);
        assertThat(manage("/actuator/env").statusCode()).isEqualTo(404);
        assertThat(manage("/v1/models").statusCode()).isEqualTo(404);
    }

    @Test
    void metricsCountRequestsTokensAndTime() throws Exception {
        road.answers("One", " two");
        gateway.ask(HELLO);
        road.fails(ErrorCode.PROMPT_TOO_LONG, "too long");
        gateway.ask(HELLO);
        gateway.ask(HELLO.replace("line-reader", "made-up-name"));
        gateway.ask(HELLO.replace("}]}", "}],\"user\":\"u\",\"made-up-field\":1}"));

        String metrics = manage("/actuator/prometheus").body();
        assertThat(metrics)
                .contains(
                        "vlm_gateway_requests_seconds_count{code=\"none\",model=\"line-reader\",status=\"200\",stream=\"false\"}")
                .contains(
                        "vlm_gateway_requests_seconds_count{code=\"prompt_too_long\",model=\"line-reader\",status=\"422\",stream=\"false\"}")
                .contains(
                        "vlm_gateway_requests_seconds_count{code=\"model_not_found\",model=\"none\",status=\"404\",stream=\"false\"}")
                .contains("vlm_gateway_first_token_seconds_count{model=\"line-reader\"}")
                .contains("vlm_gateway_tokens_total{kind=\"prompt\",model=\"line-reader\"}")
                .contains("vlm_gateway_tokens_total{kind=\"completion\",model=\"line-reader\"}")
                .contains("vlm_gateway_ignored_fields_total{field=\"user\"} 1.0")
                .contains("vlm_gateway_ignored_fields_total{field=\"unknown\"} 1.0")
                .contains("vlm_gateway_requests_in_flight")
                .contains("\nvlm_gateway_bytes_in_flight ")
                .doesNotContain("made-up-name", "made-up-field");
    }

    @Test
    void aRequestIsOneLineOfJsonWithoutItsContent(CapturedOutput output) throws Exception {
        road.answers("a private answer");
        gateway.send(gateway.chat(HELLO).header("x-request-id", "find-me"));

        await().until(() -> output.getOut().contains("find-me"));
        String line = output.getOut()
                .lines()
                .filter(text -> text.contains("find-me"))
                .findFirst()
                .orElseThrow();
        JsonNode entry = TestGateway.JSON.readTree(line);
        assertThat(entry.get("request_id").stringValue()).isEqualTo("find-me");
        assertThat(entry.get("answer_id").stringValue()).startsWith("chatcmpl-");
        assertThat(entry.get("status").intValue()).isEqualTo(200);
        assertThat(entry.get("completion_tokens").intValue()).isEqualTo(1);
        assertThat(output.getAll()).doesNotContain("private");
    }
}
