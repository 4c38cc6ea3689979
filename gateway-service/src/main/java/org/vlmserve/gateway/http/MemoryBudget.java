package org.vlmserve.gateway.http;

import org.vlmserve.protocol.error.VlmException;

/** Heap that one request may hold. What is large is told here before it is made, and again when it is no longer reachable. Thread-safe. */
public interface MemoryBudget {

    /** Has no bound. */
    MemoryBudget UNBOUNDED = new MemoryBudget() {
        @Override
        public void reserve(long bytes) {}

        @Override
        public void release(long bytes) {}
    };

    /**
     * To be called before the bytes are kept.
     *
     * @throws VlmException {@code OVERLOADED}, if they do not fit now; {@code REQUEST_TOO_LARGE}, if they never will
     */
    void reserve(long bytes);

    /** Gives back part of what was reserved. */
    void release(long bytes);
}
