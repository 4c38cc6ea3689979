package org.vlmserve.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Many requests over one connection: none may wait for what the connection was busy with before. */
class KeepAliveTest {

    private static final int REQUESTS = 300;
    private static final String HELLO =
            "{\"model\":\"line-reader\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";

    @Test
    @Timeout(300)
    void aConnectionNeverStalls() throws Exception {
        try (TestGateway gateway = new TestGateway(new FakeRoad())) {
            String management = "http://localhost:" + gateway.managementPort();
            String[] paths = {"/actuator/prometheus", "/actuator/health/liveness", "/actuator/health"};
            for (int i = 0; i < REQUESTS; i++) {
                assertThat(gateway.send(TestGateway.request(management + paths[i % paths.length])
                                        .timeout(Duration.ofSeconds(30)))
                                .statusCode())
                        .isEqualTo(200);
                assertThat(gateway.send(gateway.chat(i % 2 == 0 ? HELLO : HELLO.replace("}]}", "}],\"stream\":true}"))
                                        .timeout(Duration.ofSeconds(30)))
                                .statusCode())
                        .isEqualTo(200);
            }
        }
    }
}
