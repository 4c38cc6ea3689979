package org.vlmserve.projector;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.boot.context.properties.source.MapConfigurationPropertySource;

class ProjectorSettingsTest {

    private static ProjectorSettings bind(Map<String, String> properties) {
        return new Binder(new MapConfigurationPropertySource(properties))
                .bindOrCreate("vlm.projector", ProjectorSettings.class);
    }

    @Test
    void defaults() {
        assertThat(bind(Map.of())).isEqualTo(new ProjectorSettings(2));
    }

    @Test
    void everyKey() {
        assertThat(bind(Map.of("vlm.projector.workers", "5"))).isEqualTo(new ProjectorSettings(5));
    }

    @Test
    void impossibleNumbersAreRefused() {
        assertThatThrownBy(() -> bind(Map.of("vlm.projector.workers", "0")))
                .hasRootCauseMessage("vlm.projector.workers is 0; expected at least 1");
    }
}
