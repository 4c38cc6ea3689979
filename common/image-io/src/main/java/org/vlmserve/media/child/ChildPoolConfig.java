package org.vlmserve.media.child;

import java.time.Duration;

/**
 * Bounds of the processes that decode.
 *
 * @param size how many there are at most, and so how many jobs run at once
 * @param heapBytes each one's heap
 * @param residentBytes memory that each one may have in all, native memory included; one that keeps half of it after a job is
 *     replaced. Watched on Linux only
 * @param silence a job that gives no sign of life for so long is ended
 * @param jobsPerChild after so many jobs a process is replaced by a fresh one
 */
public record ChildPoolConfig(int size, long heapBytes, long residentBytes, Duration silence, int jobsPerChild) {

    private static final long SMALLEST_HEAP = 64 << 20;

    public ChildPoolConfig {
        if (size < 1 || jobsPerChild < 1 || !silence.isPositive()) {
            throw new IllegalArgumentException("a pool of " + size + " processes, " + jobsPerChild
                    + " jobs each and a silence of " + silence + "; expected at least 1 of each and a time above 0");
        }
        if (heapBytes < SMALLEST_HEAP || residentBytes < heapBytes) {
            throw new IllegalArgumentException("a heap of " + heapBytes + " bytes in a process of at most "
                    + residentBytes + "; expected at least " + SMALLEST_HEAP + ", and no more heap than memory");
        }
    }
}
