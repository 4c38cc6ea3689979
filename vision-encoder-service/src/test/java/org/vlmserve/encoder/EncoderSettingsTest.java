package org.vlmserve.encoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.boot.context.properties.source.MapConfigurationPropertySource;
import org.springframework.util.unit.DataSize;

class EncoderSettingsTest {

    private static EncoderSettings bind(Map<String, String> properties) {
        return new Binder(new MapConfigurationPropertySource(properties))
                .bindOrCreate("vlm.encoder", EncoderSettings.class);
    }

    @Test
    void defaults() {
        assertThat(bind(Map.of()))
                .isEqualTo(new EncoderSettings(
                        1,
                        100_000_000,
                        new EncoderSettings.ResizingSettings(null, false),
                        new EncoderSettings.VideoSettings(2, 32, 18_000, 8_912_896),
                        new EncoderSettings.DecodingSettings(
                                2,
                                DataSize.ofMegabytes(640),
                                DataSize.ofGigabytes(1),
                                Duration.ofSeconds(30),
                                Duration.ofMinutes(5),
                                Duration.ofSeconds(20),
                                1000)));
    }

    @Test
    void everyKey() {
        assertThat(bind(Map.ofEntries(
                        Map.entry("vlm.encoder.workers", "3"),
                        Map.entry("vlm.encoder.max-source-pixels", "5000"),
                        Map.entry("vlm.encoder.resizing.max-pixels", "9000"),
                        Map.entry("vlm.encoder.resizing.beyond-model", "true"),
                        Map.entry("vlm.encoder.video.fps", "0.5"),
                        Map.entry("vlm.encoder.video.max-frames", "16"),
                        Map.entry("vlm.encoder.video.max-source-frames", "100"),
                        Map.entry("vlm.encoder.video.max-frame-pixels", "4000"),
                        Map.entry("vlm.encoder.decoding.processes", "3"),
                        Map.entry("vlm.encoder.decoding.heap", "200MB"),
                        Map.entry("vlm.encoder.decoding.memory", "300MB"),
                        Map.entry("vlm.encoder.decoding.picture-time", "4s"),
                        Map.entry("vlm.encoder.decoding.video-time", "5s"),
                        Map.entry("vlm.encoder.decoding.silence", "6s"),
                        Map.entry("vlm.encoder.decoding.files-per-process", "7"))))
                .isEqualTo(new EncoderSettings(
                        3,
                        5000,
                        new EncoderSettings.ResizingSettings(9000L, true),
                        new EncoderSettings.VideoSettings(0.5, 16, 100, 4000),
                        new EncoderSettings.DecodingSettings(
                                3,
                                DataSize.ofMegabytes(200),
                                DataSize.ofMegabytes(300),
                                Duration.ofSeconds(4),
                                Duration.ofSeconds(5),
                                Duration.ofSeconds(6),
                                7)));
    }

    @Test
    void impossibleNumbersAreRefused() {
        assertThatThrownBy(() -> bind(Map.of("vlm.encoder.workers", "0")))
                .hasRootCauseMessage(
                        "vlm.encoder.workers is 0 and max-source-pixels 100000000; expected at least 1 of each");
        assertThatThrownBy(() -> bind(Map.of("vlm.encoder.resizing.max-pixels", "0")))
                .rootCause()
                .hasMessageContaining("max-pixels is 0");
        assertThatThrownBy(() -> bind(Map.of("vlm.encoder.video.max-frames", "1")))
                .rootCause()
                .hasMessageContaining("max-frames 1");
        assertThatThrownBy(() -> bind(Map.of("vlm.encoder.decoding.heap", "2GB")))
                .rootCause()
                .hasMessageContaining("no less memory than heap");
        assertThatThrownBy(() -> bind(Map.of("vlm.encoder.decoding.silence", "0s")))
                .rootCause()
                .hasMessageContaining("silence PT0S");
    }
}
