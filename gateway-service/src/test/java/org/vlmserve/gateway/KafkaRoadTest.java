package org.vlmserve.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
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

    /** One stage's process, as far as others can see it: a road of its own that reports. */
    private static final class LiveStage implements AutoCloseable {

        private final Road road;
        private final StatusReporter reporter;

        LiveStage(RoadConfig config, Stage stage) {
            road = new Road(config, stage.wireName() + "-of-gateway-test", new SimpleMeterRegistry());
            // As the stages do: a busy broker may need more than one attempt.
            await().atMost(Duration.ofSeconds(90))
                    .until(() -> road.prepare(List.of(MODEL)).isEmpty());
            ServedModel served = new ServedModel(
                    MODEL, stage == Stage.DECODER ? List.of(0) : List.of(), 0, 0, 1, 4096, Instant.ofEpochSecond(1));
            reporter =
                    road.report(() -> new InstanceStatus(road.instance(), stage, true, Instant.now(), List.of(served)));
        }

        @Override
        public void close() {
            reporter.close();
            road.close();
        }
    }

    @Test
    @Timeout(300)
    void modelsAppearOnceTheirStagesAreLive() throws Exception {
        RoadConfig config = TestBroker.config();
        try (TestGateway gateway = new TestGateway(null, "vlm.kafka.bootstrap-servers=" + config.bootstrapServers());
                LiveStage encoder = new LiveStage(config, Stage.VISION_ENCODER);
                LiveStage projector = new LiveStage(config, Stage.PROJECTOR)) {
            await().atMost(Duration.ofSeconds(60))
                    .until(() -> gateway.get("/v1/models/gateway-wiring").statusCode() == 503);
            assertThat(gateway.get("/v1/models").body()).doesNotContain("gateway-wiring");
            try (LiveStage decoder = new LiveStage(config, Stage.DECODER)) {
                await().atMost(Duration.ofSeconds(60))
                        .until(() -> gateway.get("/v1/models").body().contains("gateway-wiring"));
            }
            assertThat(gateway.send(TestGateway.request(
                                    "http://localhost:" + gateway.managementPort() + "/actuator/health/liveness"))
                            .body())
                    .contains("UP");
        }
    }
}
