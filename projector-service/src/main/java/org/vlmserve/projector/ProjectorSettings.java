package org.vlmserve.projector;

import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/**
 * {@code vlm.projector}.
 *
 * @param workers slices of one model that are projected at once
 */
@ConfigurationProperties("vlm.projector")
public record ProjectorSettings(@DefaultValue("2") int workers) {

    public ProjectorSettings {
        if (workers < 1) {
            throw new IllegalArgumentException("vlm.projector.workers is " + workers + "; expected at least 1");
        }
    }
}
