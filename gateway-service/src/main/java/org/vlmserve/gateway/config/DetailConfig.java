package org.vlmserve.gateway.config;

import org.jspecify.annotations.Nullable;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/**
 * What OpenAI's {@code detail} means here: a ceiling on the resized picture's pixels, or null for the checkpoint's own.
 *
 * @param lowMaxPixels 256 positions of 28 by 28 pixels by default
 */
@ConfigurationProperties("vlm.detail")
public record DetailConfig(
        @DefaultValue("200704") long lowMaxPixels,
        @Nullable Long highMaxPixels,
        @Nullable Long autoMaxPixels) {

    public DetailConfig {
        Require.within("vlm.detail.low-max-pixels", lowMaxPixels, 1, Long.MAX_VALUE);
        if (highMaxPixels != null) {
            Require.within("vlm.detail.high-max-pixels", highMaxPixels, 1, Long.MAX_VALUE);
        }
        if (autoMaxPixels != null) {
            Require.within("vlm.detail.auto-max-pixels", autoMaxPixels, 1, Long.MAX_VALUE);
        }
    }
}
