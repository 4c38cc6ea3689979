package org.vlmserve.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.vlmserve.messaging.Road;
import org.vlmserve.messaging.RoadConfig;
import org.vlmserve.messaging.StatusReporter;
import org.vlmserve.messaging.TestBroker;
import org.vlmserve.protocol.InstanceStatus;
import org.vlmserve.protocol.InstanceStatus.ServedModel;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.Stage;

/** The gateway over a real broker: it sees who is alive. The whole way of a request is for the system tests. */
class KafkaRoadTest {

    private static final ModelRef MODEL = new ModelRef("gateway-wiring", "0123456789ab");

    private static InstanceStatus status(Stage stage) {
        ServedModel served = new ServedModel(MODEL, List.of(), 0, 0, 1, 4096, Instant.ofEpochSecond(1));
        return new InstanceStatus(stage + "-of-gateway-test", stage, true, Instant.now(), List.of(served));
    }

    @Test
    void modelsAppearOnceTheirStagesAreLive() throws Exception {
        RoadConfig config = TestBroker.config();
        try (TestGateway gateway = new TestGateway(null, "vlm.kafka.bootstrap-servers=" + config.bootstrapServers());
                Road road = new Road(config, "stages-of-gateway-test", new SimpleMeterRegistry())) {
            assertThat(road.prepare(List.of(MODEL))).isEmpty();
            try (StatusReporter encoder = road.report(() -> status(Stage.VISION_ENCODER));
                    StatusReporter projector = road.report(() -> status(Stage.PROJECTOR))) {
                await().atMost(Duration.ofSeconds(60))
                        .until(() -> gateway.get("/v1/models/gateway-wiring").statusCode() == 503);
                assertThat(gateway.get("/v1/models").body()).doesNotContain("gateway-wiring");
                try (StatusReporter decoder = road.report(() -> status(Stage.DECODER))) {
                    await().atMost(Duration.ofSeconds(60))
                            .until(() -> gateway.get("/v1/models").body().contains("gateway-wiring"));
                }
            }
            assertThat(gateway.send(TestGateway.request(
                                    "http://localhost:" + gateway.managementPort() + "/actuator/health/liveness"))
                            .body())
                    .contains("UP");
        }
    }
}
