package org.vlmserve.gateway.http;

import java.util.Arrays;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * Bytes of a body that come piece by piece, up to a limit. What is held is reserved before it is made, also the copy while it grows, and no more than twice of what
 * has come: a length that was only declared reserves nothing.
 */
final class GrowingBody {

    private static final int LEAST = 8 << 10;

    private final int limit;
    private final int expected;
    private final MemoryBudget budget;
    private byte[] bytes = new byte[0];
    private int size;

    /**
     * @param limit most bytes that are taken
     * @param declared how many will come, or negative if that is not known
     */
    GrowingBody(int limit, long declared, MemoryBudget budget) {
        this.limit = limit;
        this.expected = declared >= 0 ? (int) Math.min(declared, limit) : limit;
        this.budget = budget;
    }

    /** Where the bytes go before they are added. */
    @FunctionalInterface
    interface Source {
        void read(byte[] into, int offset, int count);
    }

    /** @throws VlmException {@code REQUEST_TOO_LARGE}, and what the budget throws */
    void add(byte[] piece, int count) {
        add(count, (into, offset, length) -> System.arraycopy(piece, 0, into, offset, length));
    }

    /** As {@link #add(byte[], int)} does. */
    void add(int count, Source source) {
        if ((long) size + count > limit) {
            throw tooLarge((long) size + count, limit);
        }
        if (size + count > bytes.length) {
            long wanted = Math.max(Math.max(size + count, LEAST), Math.min(2L * bytes.length, expected));
            resize((int) Math.min(wanted, Math.max(expected, size + count)));
        }
        source.read(bytes, size, count);
        size += count;
    }

    private void resize(int capacity) {
        budget.reserve(capacity);
        int before = bytes.length;
        bytes = Arrays.copyOf(bytes, capacity);
        budget.release(before);
    }

    /** Lets go of everything. */
    void drop() {
        budget.release(bytes.length);
        bytes = new byte[0];
        size = 0;
    }

    /** All bytes, which this object then no longer holds; the budget holds their length. */
    byte[] finish() {
        if (size < bytes.length) {
            resize(size);
        }
        byte[] all = bytes;
        bytes = new byte[0];
        return all;
    }

    static VlmException tooLarge(long size, long limit) {
        return new VlmException(
                ErrorCode.REQUEST_TOO_LARGE,
                "the body has " + size + " bytes or more, at most " + limit
                        + " are taken; send smaller pictures, or their URLs");
    }
}
