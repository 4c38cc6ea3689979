package org.vlmserve.protocol.error;

/** Who has to act before the same request can succeed. */
public enum Blame {
    /** The request itself is wrong; sending it again unchanged fails again. */
    CALLER,
    /** A defect or a broken deployment of ours. */
    US,
    /** Nothing is wrong but capacity or time; the same request may succeed later. */
    RESOURCES
}
