package org.vlmserve.protocol;

import java.util.Locale;

/** What a visual part of a conversation is. */
public enum Medium {
    PICTURE,
    /** Frames in time. */
    VIDEO;

    /** As in keys and in the API: {@code picture}. */
    public String wireName() {
        return name().toLowerCase(Locale.ROOT);
    }
}
