package org.vlmserve.messaging;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.BitSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.Envelope;
import org.vlmserve.protocol.PictureKey;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.StageTimes;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.Tensor;

/**
 * Puts pictures together from their slices, in any order, and keeps whole ones for the next question. Slices are written
 * straight into a picture's one buffer, so a picture takes its bytes once. Used by one thread; only {@link #bytes()} may
 * be read by others.
 */
final class PictureStore {

    /** A picture, whole or in part. */
    static final class Entry {

        private final PictureKey key;
        private @Nullable PictureLayout layout;
        private @Nullable ByteBuffer rows;
        private int[] shape = new int[0];
        private org.vlmserve.protocol.tensor.@Nullable DType dtype;
        private final BitSet arrived = new BitSet();
        /** What each request's records of this picture cost; a picture that was held already costs a request nothing. */
        private final Map<String, StageTimes> times = new LinkedHashMap<>();

        private long lastArrivalNanos = System.nanoTime();
        private boolean dropped;
        /** Where the first of its records stands in {@code embeddings}, by partition. */
        private final Map<Integer, Long> origin = new LinkedHashMap<>();

        Entry(PictureKey key) {
            this.key = key;
        }

        boolean complete() {
            return layout != null && rows != null && arrived.cardinality() == shape[0];
        }

        long lastArrivalNanos() {
            return lastArrivalNanos;
        }

        /** Whether the work that made it was given up, so that nothing more is to be expected. */
        boolean dropped() {
            return dropped;
        }

        StageTimes times(String requestId) {
            return times.getOrDefault(requestId, StageTimes.ZERO);
        }

        private long bytes() {
            return rows == null ? 0 : rows.capacity();
        }

        private PromptHandler.ReadyPicture ready() {
            if (layout == null || rows == null || dtype == null) {
                throw new IllegalStateException("picture " + key + " is not complete");
            }
            return new PromptHandler.ReadyPicture(key, layout, new Tensor(dtype, shape, rows.duplicate()));
        }
    }

    private final long limit;
    private final LinkedHashMap<PictureKey, Entry> entries = new LinkedHashMap<>(16, 0.75f, true);
    private volatile long bytes;

    /** @param limit bytes of rows to hold at most, unless the first waiting prompt needs more */
    PictureStore(long limit) {
        this.limit = limit;
    }

    long bytes() {
        return bytes;
    }

    /** Whether anything of the picture has arrived. */
    @Nullable
    Entry find(PictureKey key) {
        return entries.get(key);
    }

    private Entry entry(PictureKey key) {
        Entry entry = entries.computeIfAbsent(key, Entry::new);
        entry.lastArrivalNanos = System.nanoTime();
        entry.dropped = false;
        return entry;
    }

    /** @throws VlmException {@code INTERNAL} if layout and slices contradict each other */
    void layout(PictureKey key, PictureLayout layout) {
        Entry entry = entry(key);
        if (entry.layout == null) {
            entry.layout = layout;
            check(entry);
        }
    }

    /**
     * @throws VlmException {@code INTERNAL} if the slice contradicts what arrived before, {@code OUT_OF_MEMORY} if the
     *     picture alone is larger than the store
     */
    void slice(Envelope envelope, PictureKey key, int firstRow, int totalRows, Tensor slice, StageTimes times) {
        if (slice.rank() < 1 || firstRow < 0 || totalRows < 1 || firstRow > totalRows - slice.dim(0)) {
            throw new VlmException(
                    ErrorCode.INTERNAL,
                    "slice " + slice + " at row " + firstRow + " does not lie within " + totalRows + " rows");
        }
        Entry entry = entry(key);
        int[] shape = slice.shape();
        int rowBytes = slice.dim(0) == 0 ? 0 : slice.byteSize() / slice.dim(0);
        shape[0] = totalRows;
        ByteBuffer rows = entry.rows;
        if (rows == null) {
            long needed = (long) rowBytes * totalRows;
            if (needed > Math.min(limit, Integer.MAX_VALUE - 8)) {
                throw new VlmException(
                        ErrorCode.OUT_OF_MEMORY,
                        "picture " + key + " takes " + needed + " bytes of embeddings, this decoder holds " + limit
                                + "; ask for fewer pixels or give the decoder more picture memory");
            }
            rows = ByteBuffer.allocate((int) needed).order(ByteOrder.LITTLE_ENDIAN);
            entry.rows = rows;
            entry.shape = shape;
            entry.dtype = slice.dtype();
            bytes += needed;
        } else if (!java.util.Arrays.equals(shape, entry.shape) || slice.dtype() != entry.dtype) {
            throw new VlmException(
                    ErrorCode.INTERNAL,
                    "slice " + slice + " at row " + firstRow + " of " + totalRows + " does not fit picture " + key
                            + ", whose embeddings are " + entry.dtype + java.util.Arrays.toString(entry.shape));
        }
        check(entry);
        if (entry.arrived.nextClearBit(firstRow) >= firstRow + slice.dim(0)) {
            return; // a duplicate
        }
        rows.put(firstRow * rowBytes, slice.data(), 0, slice.byteSize());
        entry.arrived.set(firstRow, firstRow + slice.dim(0));
        entry.times.merge(envelope.requestId(), times, StageTimes::plus);
    }

    private static void check(Entry entry) {
        if (entry.layout != null && entry.rows != null && entry.layout.embeddingRows() != entry.shape[0]) {
            throw new VlmException(
                    ErrorCode.INTERNAL,
                    "picture " + entry.key + " was laid out in " + entry.layout.embeddingRows()
                            + " rows, its slices count " + entry.shape[0]);
        }
    }

    /** Notes from where a picture could be read again. */
    void cameFrom(PictureKey key, int partition, long offset) {
        Entry entry = entries.get(key);
        if (entry != null) {
            entry.origin.merge(partition, offset, Math::min);
        }
    }

    boolean overfull() {
        return bytes > limit;
    }

    /** Lets go of a picture that is needed later. Returns from where it can be read again, by partition. */
    Map<Integer, Long> spill(PictureKey key) {
        Entry entry = entries.get(key);
        drop(key);
        return entry == null ? Map.of() : entry.origin;
    }

    /** Work on this picture was given up half-way. What has arrived stays: another request's slices may fill the rest. */
    void gaveUp(PictureKey key) {
        Entry entry = entries.get(key);
        if (entry != null && !entry.complete()) {
            entry.dropped = true;
        }
    }

    void drop(PictureKey key) {
        Entry entry = entries.remove(key);
        if (entry != null) {
            bytes -= entry.bytes();
        }
    }

    /** Positions that the picture takes in a prompt; 0 as long as its layout has not arrived. */
    int tokens(PictureKey key) {
        Entry entry = entries.get(key);
        return entry == null || entry.layout == null ? 0 : entry.layout.tokens();
    }

    /** The whole picture, if it is whole. Its tensor shares the store's bytes, which nobody changes any more. */
    Optional<PromptHandler.ReadyPicture> ready(PictureKey key) {
        Entry entry = entries.get(key);
        return entry == null || !entry.complete() ? Optional.empty() : Optional.of(entry.ready());
    }

    /** Lets go of what was least recently used, as long as the limit is passed and no waiting prompt needs it. */
    void evict(Predicate<PictureKey> needed) {
        Iterator<Entry> oldest = entries.values().iterator();
        while ((bytes > limit || entries.size() > 100_000) && oldest.hasNext()) {
            Entry entry = oldest.next();
            if (!needed.test(entry.key)) {
                oldest.remove();
                bytes -= entry.bytes();
            }
        }
    }
}
