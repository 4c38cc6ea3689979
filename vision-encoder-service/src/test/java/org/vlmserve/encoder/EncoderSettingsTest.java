package org.vlmserve.encoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.boot.context.properties.source.MapConfigurationPropertySource;

class EncoderSettingsTest {

    private static EncoderSettings bind(Map<String, String> properties) {
        return new Binder(new MapConfigurationPropertySource(properties))
                .bindOrCreate("vlm.encoder", EncoderSettings.class);
    }

    @Test
    void defaults() {
        assertThat(bind(Map.of()))
                .isEqualTo(new EncoderSettings(
                        1, 100_000_000, new EncoderSettings.VideoSettings(2, 32, 18_000, 8_912_896)));
    }

    @Test
    void everyKey() {
        assertThat(bind(Map.of(
                        "vlm.encoder.workers", "3",
                        "vlm.encoder.max-source-pixels", "5000",
                        "vlm.encoder.video.fps", "0.5",
                        "vlm.encoder.video.max-frames", "16",
                        "vlm.encoder.video.max-source-frames", "100",
                        "vlm.encoder.video.max-frame-pixels", "4000")))
                .isEqualTo(new EncoderSettings(3, 5000, new EncoderSettings.VideoSettings(0.5, 16, 100, 4000)));
    }

    @Test
    void impossibleNumbersAreRefused() {
        assertThatThrownBy(() -> bind(Map.of("vlm.encoder.workers", "0")))
                .hasRootCauseMessage(
                        "vlm.encoder.workers is 0 and max-source-pixels 100000000; expected at least 1 of each");
        assertThatThrownBy(() -> bind(Map.of("vlm.encoder.video.max-frames", "1")))
                .rootCause()
                .hasMessageContaining("max-frames 1");
    }
}
