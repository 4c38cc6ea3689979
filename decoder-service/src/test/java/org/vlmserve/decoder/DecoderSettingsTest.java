package org.vlmserve.decoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.boot.context.properties.source.MapConfigurationPropertySource;
import org.springframework.util.unit.DataSize;
import org.vlmserve.families.prompt.ControlTokens;

class DecoderSettingsTest {

    private static DecoderSettings bind(Map<String, String> properties) {
        return new Binder(new MapConfigurationPropertySource(properties))
                .bindOrCreate("vlm.decoder", DecoderSettings.class);
    }

    @Test
    void defaults() {
        assertThat(bind(Map.of()).config()).isEqualTo(DecoderConfig.DEFAULTS);
        assertThat(bind(Map.of()).pictureMemory()).isEqualTo(DataSize.ofMegabytes(256));
        assertThat(bind(Map.of()).controlTokens()).isEqualTo(ControlTokens.TEXT);
    }

    @Test
    void everyKey() {
        DecoderSettings settings = bind(Map.of(
                "vlm.decoder.slots", "8",
                "vlm.decoder.prefix-slots", "3",
                "vlm.decoder.prefill-chunk", "512",
                "vlm.decoder.context-length", "9000",
                "vlm.decoder.picture-memory", "1GB",
                "vlm.decoder.control-tokens", "tokens"));
        assertThat(settings.config()).isEqualTo(new DecoderConfig(8, 3, 512, 9000));
        assertThat(settings.pictureMemory()).isEqualTo(DataSize.ofGigabytes(1));
        assertThat(settings.controlTokens()).isEqualTo(ControlTokens.TOKENS);
    }

    @Test
    void impossibleNumbersAreRefused() {
        assertThatThrownBy(() -> bind(Map.of("vlm.decoder.slots", "0")).config())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("0 slots")
                .hasMessageContaining("expected at least 1");
    }
}
