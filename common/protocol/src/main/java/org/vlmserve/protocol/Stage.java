package org.vlmserve.protocol;

import java.util.Locale;

/** The separately scaled parts of the suite that do model work. */
public enum Stage {
    VISION_ENCODER,
    PROJECTOR,
    DECODER;

    /** As in metrics, logs and configuration: {@code vision-encoder}. */
    public String wireName() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
