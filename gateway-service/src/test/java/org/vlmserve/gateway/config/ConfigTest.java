package org.vlmserve.gateway.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.boot.context.properties.source.MapConfigurationPropertySource;
import org.springframework.util.unit.DataSize;
import org.vlmserve.gateway.config.ApiConfig.UnknownFields;
import org.vlmserve.protocol.Rendering;

class ConfigTest {

    private static <T> T bind(Class<T> type, Map<String, String> properties) {
        String prefix = type.getAnnotation(ConfigurationProperties.class).value();
        return new Binder(new MapConfigurationPropertySource(properties)).bindOrCreate(prefix, type);
    }

    /** A record with its defaults, and with every key set to something else. */
    private record Case(Record defaults, Map<String, String> properties, Record bound) {}

    private static List<Case> cases() {
        return List.of(
                new Case(
                        new RequestConfig(
                                Duration.ofMinutes(5),
                                DataSize.ofMegabytes(28),
                                DataSize.ofMegabytes(24),
                                16,
                                DataSize.ofMegabytes(2)),
                        Map.of(
                                "vlm.request.timeout", "90s",
                                "vlm.request.max-body", "3MB",
                                "vlm.request.max-picture", "2MB",
                                "vlm.request.max-pictures", "4",
                                "vlm.request.max-text", "1KB"),
                        new RequestConfig(
                                Duration.ofSeconds(90),
                                DataSize.ofMegabytes(3),
                                DataSize.ofMegabytes(2),
                                4,
                                DataSize.ofKilobytes(1))),
                new Case(
                        new MediaConfig(
                                true,
                                List.of(),
                                Duration.ofSeconds(5),
                                Duration.ofSeconds(20),
                                3,
                                4,
                                Rendering.VIEWER,
                                ""),
                        Map.of(
                                "vlm.media.fetch-urls", "false",
                                "vlm.media.allowed-hosts", "minio:9000,files.internal",
                                "vlm.media.connect-timeout", "1s",
                                "vlm.media.timeout", "2s",
                                "vlm.media.max-redirects", "0",
                                "vlm.media.concurrency", "2",
                                "vlm.media.rendering", "reference",
                                "vlm.media.contact", "https://example.org/bots"),
                        new MediaConfig(
                                false,
                                List.of("minio:9000", "files.internal"),
                                Duration.ofSeconds(1),
                                Duration.ofSeconds(2),
                                0,
                                2,
                                Rendering.REFERENCE,
                                "https://example.org/bots")),
                new Case(
                        new ConnectionConfig(Duration.ofSeconds(60), Duration.ofSeconds(10), DataSize.ofKilobytes(1)),
                        Map.of(
                                "vlm.connection.idle-timeout", "5s",
                                "vlm.connection.body-timeout", "6s",
                                "vlm.connection.min-body-rate", "7KB"),
                        new ConnectionConfig(Duration.ofSeconds(5), Duration.ofSeconds(6), DataSize.ofKilobytes(7))),
                new Case(
                        new CorsConfig(List.of(), List.of("*"), Duration.ofHours(1)),
                        Map.of(
                                "vlm.cors.allowed-origins", "https://a.example,https://*.b.example",
                                "vlm.cors.allowed-headers", "content-type",
                                "vlm.cors.max-age", "1m"),
                        new CorsConfig(
                                List.of("https://a.example", "https://*.b.example"),
                                List.of("content-type"),
                                Duration.ofMinutes(1))),
                new Case(
                        new ApiConfig(UnknownFields.IGNORE),
                        Map.of("vlm.api.unknown-fields", "refuse"),
                        new ApiConfig(UnknownFields.REFUSE)),
                new Case(
                        new DetailConfig(256 * 28 * 28, null, null),
                        Map.of(
                                "vlm.detail.low-max-pixels", "1",
                                "vlm.detail.high-max-pixels", "3",
                                "vlm.detail.auto-max-pixels", "2"),
                        new DetailConfig(1, 3L, 2L)),
                new Case(
                        new AdmissionConfig(256, DataSize.ofMegabytes(192), Duration.ofSeconds(2)),
                        Map.of(
                                "vlm.admission.max-requests", "5",
                                "vlm.admission.max-bytes", "6MB",
                                "vlm.admission.retry-after", "7s"),
                        new AdmissionConfig(5, DataSize.ofMegabytes(6), Duration.ofSeconds(7))),
                new Case(
                        new StreamConfig(Duration.ofSeconds(10), DataSize.ofKilobytes(128), Duration.ofSeconds(60)),
                        Map.of(
                                "vlm.stream.keep-alive", "1s",
                                "vlm.stream.buffered-bytes", "2KB",
                                "vlm.stream.write-timeout", "3s"),
                        new StreamConfig(Duration.ofSeconds(1), DataSize.ofKilobytes(2), Duration.ofSeconds(3))),
                new Case(
                        new ApiKeysConfig(List.of()),
                        Map.of("vlm.api-keys[0].key", "12345678", "vlm.api-keys[0].tenant", "alice"),
                        new ApiKeysConfig(List.of(new ApiKeysConfig.ApiKey("12345678", "alice")))),
                new Case(
                        new KafkaConfig(
                                "localhost:9092",
                                8,
                                (short) -1,
                                Duration.ofSeconds(15),
                                3,
                                Duration.ofSeconds(1),
                                Duration.ofSeconds(5),
                                Map.of()),
                        Map.of(
                                "vlm.kafka.bootstrap-servers", "kafka:9093",
                                "vlm.kafka.routes", "1",
                                "vlm.kafka.replication-factor", "3",
                                "vlm.kafka.lock-duration", "2s",
                                "vlm.kafka.max-deliveries", "4",
                                "vlm.kafka.status-interval", "3s",
                                "vlm.kafka.silence", "9s",
                                "vlm.kafka.client[security.protocol]", "SSL"),
                        new KafkaConfig(
                                "kafka:9093",
                                1,
                                (short) 3,
                                Duration.ofSeconds(2),
                                4,
                                Duration.ofSeconds(3),
                                Duration.ofSeconds(9),
                                Map.of("security.protocol", "SSL"))));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void defaultsAndEveryKey(Case expected) throws Exception {
        Class<? extends Record> type = expected.bound().getClass();

        assertThat(bind(type, Map.of())).isEqualTo(expected.defaults());
        assertThat(bind(type, expected.properties())).isEqualTo(expected.bound());
        for (RecordComponent component : type.getRecordComponents()) {
            assertThat(component.getAccessor().invoke(expected.bound()))
                    .as("%s differs from its default, so that its key is proven", component.getName())
                    .isNotEqualTo(component.getAccessor().invoke(expected.defaults()));
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void everyKeyIsDocumented(Case expected) throws Exception {
        String api = Files.readString(Path.of(System.getProperty("vlm.root"), "docs", "api.md"));
        Class<? extends Record> type = expected.bound().getClass();
        String prefix = Objects.requireNonNull(type.getAnnotation(ConfigurationProperties.class))
                .value();
        for (RecordComponent component : type.getRecordComponents()) {
            String key = prefix + "."
                    + component.getName().replaceAll("([A-Z])", "-$1").toLowerCase(Locale.ROOT);
            assertThat(api).contains("| `" + key + "` |");
        }
    }

    @ParameterizedTest
    @CsvSource({
        "vlm.request.timeout,0s,vlm.request.timeout",
        "vlm.request.max-picture,25MB,vlm.request.max-picture",
        "vlm.request.max-body,0,vlm.request.max-body"
    })
    void valuesThatCannotWorkAreRefusedByTheirKey(String key, String value, String named) {
        assertThatThrownBy(() -> bind(RequestConfig.class, new HashMap<>(Map.of(key, value))))
                .hasStackTraceContaining(named + " is");
    }

    @Test
    void keysAreNotShown() {
        assertThat(new ApiKeysConfig(List.of(new ApiKeysConfig.ApiKey("12345678", "alice"))))
                .asString()
                .contains("alice")
                .doesNotContain("12345678");
        assertThatThrownBy(() -> new ApiKeysConfig.ApiKey("1234567", "alice"))
                .message()
                .doesNotContain("1234567");
        assertThat(new KafkaConfig(
                                "a:1",
                                8,
                                (short) -1,
                                Duration.ofSeconds(15),
                                3,
                                Duration.ofSeconds(1),
                                Duration.ofSeconds(5),
                                Map.of())
                        .toRoadConfig())
                .isEqualTo(org.vlmserve.messaging.RoadConfig.of("a:1"));
    }
}
