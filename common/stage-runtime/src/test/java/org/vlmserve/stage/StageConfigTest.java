package org.vlmserve.stage;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.boot.context.properties.source.MapConfigurationPropertySource;
import org.vlmserve.messaging.RoadConfig;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.onnx.Int8Weights;
import org.vlmserve.protocol.Stage;

class StageConfigTest {

    private static <T> T bind(String prefix, Class<T> type, Map<String, String> properties) {
        return new Binder(new MapConfigurationPropertySource(properties)).bindOrCreate(prefix, type);
    }

    @Test
    void kafkaDefaultsAreTheRoads() {
        assertThat(bind("vlm.kafka", KafkaConfig.class, Map.of()).road()).isEqualTo(RoadConfig.of("localhost:9092"));
    }

    @Test
    void everyKafkaKey() {
        KafkaConfig config = bind(
                "vlm.kafka",
                KafkaConfig.class,
                Map.of(
                        "vlm.kafka.bootstrap-servers", "broker:1",
                        "vlm.kafka.routes", "3",
                        "vlm.kafka.replication-factor", "2",
                        "vlm.kafka.lock-duration", "7s",
                        "vlm.kafka.max-deliveries", "4",
                        "vlm.kafka.status-interval", "300ms",
                        "vlm.kafka.silence", "9s",
                        "vlm.kafka.client.security.protocol", "SSL"));
        assertThat(config.road())
                .isEqualTo(new RoadConfig(
                        "broker:1",
                        3,
                        (short) 2,
                        Duration.ofSeconds(7),
                        4,
                        Duration.ofMillis(300),
                        Duration.ofSeconds(9),
                        Map.of("security.protocol", "SSL")));
    }

    @Test
    void engineDefaultsAndEveryKey() {
        assertThat(bind("vlm.engine", EngineConfig.class, Map.of()).options()).isEqualTo(EngineOptions.ofThreads(0));
        EngineConfig config = bind(
                "vlm.engine",
                EngineConfig.class,
                Map.of(
                        "vlm.engine.threads", "3",
                        "vlm.engine.spinning", "true",
                        "vlm.engine.int8-weights", "unsigned",
                        "vlm.engine.cache-directory", "/var/cache/vlm",
                        "vlm.engine.prepack", "false",
                        "vlm.engine.processor", "zen3",
                        "vlm.engine.java", "/opt/jdk/bin/java"));
        assertThat(config.options())
                .isEqualTo(EngineOptions.ofThreads(3)
                        .withSpinning(true)
                        .withInt8Weights(Int8Weights.UNSIGNED)
                        .withCacheDirectory(Path.of("/var/cache/vlm"))
                        .withPrepack(false)
                        .withProcessor("zen3")
                        .withJava(Path.of("/opt/jdk/bin/java")));
    }

    @Test
    void stageDefaults() {
        StageConfig config = bind("vlm", StageConfig.class, Map.of());
        assertThat(config.bundles()).isEmpty();
        assertThat(config.grace()).isEqualTo(Duration.ofSeconds(5));
        assertThat(config.instanceOf(Stage.VISION_ENCODER)).startsWith("vision-encoder-");
        assertThat(config.instanceOf(Stage.DECODER)).isNotEqualTo(config.instanceOf(Stage.DECODER));
    }

    @Test
    void everyStageKey() {
        StageConfig config = bind(
                "vlm",
                StageConfig.class,
                Map.of(
                        "vlm.bundles.line-reader", "/models/line-reader",
                        "vlm.bundles[Qwen2.5_x]", "relative/dir",
                        "vlm.instance", "decoder-7",
                        "vlm.grace", "12s"));
        assertThat(config.bundles())
                .isEqualTo(Map.of("line-reader", Path.of("/models/line-reader"), "Qwen2.5_x", Path.of("relative/dir")));
        assertThat(config.instanceOf(Stage.DECODER)).isEqualTo("decoder-7");
        assertThat(config.grace()).isEqualTo(Duration.ofSeconds(12));
    }
}
