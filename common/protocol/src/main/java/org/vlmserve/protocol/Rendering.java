package org.vlmserve.protocol;

import java.util.Locale;

/** What becomes of a picture's samples that 8-bit RGB cannot hold. */
public enum Rendering {
    /** What a person sees: transparency over white, 16-bit grey scaled to 8 bits. */
    VIEWER,
    /** What the reference computes on: transparency dropped, 16-bit grey clipped at 255. */
    REFERENCE;

    /** As in keys and in the API: {@code viewer}. */
    public String wireName() {
        return name().toLowerCase(Locale.ROOT);
    }
}
