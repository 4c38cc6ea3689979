package org.vlmserve.protocol;

/** What a visual part of a conversation is. */
public enum Medium {
    PICTURE,
    /** Frames in time. */
    VIDEO
}
