package org.vlmserve.encoder;

import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/**
 * {@code vlm.encoder}.
 *
 * @param workers pictures of one model that are encoded at once
 * @param maxSourcePixels pictures with more pixels are refused before they are decoded
 */
@ConfigurationProperties("vlm.encoder")
public record EncoderSettings(
        @DefaultValue("1") int workers,
        @DefaultValue("100000000") long maxSourcePixels) {

    public EncoderSettings {
        if (workers < 1 || maxSourcePixels < 1) {
            throw new IllegalArgumentException("vlm.encoder.workers is " + workers + " and max-source-pixels "
                    + maxSourcePixels + "; expected at least 1 of each");
        }
    }
}
