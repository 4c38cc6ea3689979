package org.vlmserve.media.child;

/** What a child's messages begin with; the package's description gives the whole. */
final class Messages {

    static final int READY = 'H';
    static final int ACCEPTED = 'A';
    static final int PROGRESS = 'P';
    static final int DATA = 'D';
    static final int FAILED = 'F';
    static final int END = 'E';

    /** Bytes of a result that travel together at most. */
    static final int MOST_DATA = 256 << 10;

    /** Bytes of an error's message. */
    static final int LONGEST_TEXT = 2_000;

    private Messages() {}
}
