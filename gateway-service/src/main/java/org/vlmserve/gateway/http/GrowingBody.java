package org.vlmserve.gateway.http;

import java.util.Arrays;
import java.util.function.LongFunction;
import org.vlmserve.protocol.error.VlmException;

/**
 * Bytes of a body that come piece by piece, up to a limit. What is held is reserved before it is made, also the copy while it grows, and no more than twice of what
 * has come: a length that was only declared reserves nothing.
 */
public final class GrowingBody {

    private static final int LEAST = 8 << 10;

    private final int limit;
    private final int expected;
    private final MemoryBudget budget;
    private final LongFunction<VlmException> tooLarge;
    private byte[] bytes = new byte[0];
    private int size;

    /**
     * @param limit most bytes that are taken
     * @param declared how many will come, or negative if that is not known
     * @param tooLarge what to throw at more bytes than the limit, given how many there are at least
     */
    public GrowingBody(int limit, long declared, MemoryBudget budget, LongFunction<VlmException> tooLarge) {
        this.limit = limit;
        this.expected = declared >= 0 ? (int) Math.min(declared, limit) : limit;
        this.budget = budget;
        this.tooLarge = tooLarge;
    }

    /** Where the bytes go before they are added. */
    @FunctionalInterface
    public interface Source {
        void read(byte[] into, int offset, int count);
    }

    /** Keeps the first bytes of a piece; throws what the budget throws, and what the limit's passing was said to. */
    public void add(byte[] piece, int count) {
        add(count, (into, offset, length) -> System.arraycopy(piece, 0, into, offset, length));
    }

    /** As {@link #add(byte[], int)} does. */
    public void add(int count, Source source) {
        if ((long) size + count > limit) {
            throw tooLarge.apply((long) size + count);
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
    public void drop() {
        budget.release(bytes.length);
        bytes = new byte[0];
        size = 0;
    }

    /** All bytes, which this object then no longer holds; the budget holds their length. */
    public byte[] finish() {
        if (size < bytes.length) {
            resize(size);
        }
        byte[] all = bytes;
        bytes = new byte[0];
        return all;
    }
}
