package org.vlmserve.importer.graph;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.function.LongConsumer;

/**
 * The weights of a graph: where each will lie, known while the graph is built, and how to make it. Written afterwards in pieces of a
 * few MiB by all threads at once, so memory does not grow with the model.
 */
public final class WeightFile {

    /** Large weights begin on a border that every platform can map; small ones on a cache line. */
    private static final long MAPPED = 65_536;

    private static final long SMALL = 64;
    private static final long LARGE_FROM = 1 << 20;
    private static final long PIECE = 4 << 20;

    private final String name;
    private final List<Entry> entries = new ArrayList<>();
    private final Map<String, Extent> extents = new LinkedHashMap<>();
    private long size;

    /** Where a weight lies in the file, in bytes. */
    record Extent(ElementType type, long offset, long length) {}

    private record Entry(WeightData data, long offset) {}

    /** @param name file name, beside the graph */
    public WeightFile(String name) {
        this.name = name;
    }

    public String name() {
        return name;
    }

    /** Bytes of the finished file. */
    public long size() {
        return size;
    }

    Extent add(String weight, WeightData data, ElementType type, long... shape) {
        long length = Math.multiplyExact(data.rows(), data.rowBytes());
        long expected = Arrays.stream(shape).reduce(type.bytes(), Math::multiplyExact);
        if (length != expected) {
            throw new IllegalArgumentException("weight " + weight + " gives " + length + " bytes, expected " + expected
                    + " for " + type + Arrays.toString(shape));
        }
        long alignment = length >= LARGE_FROM ? MAPPED : SMALL;
        long offset = Math.ceilDiv(size, alignment) * alignment;
        entries.add(new Entry(data, offset));
        size = offset + length;
        Extent extent = new Extent(type, offset, length);
        extents.put(weight, extent);
        return extent;
    }

    /** Where each weight lies, by its name. */
    Map<String, Extent> extents() {
        return Collections.unmodifiableMap(extents);
    }

    /**
     * Writes all weights.
     *
     * @param out an empty file
     * @param workers runs pieces side by side; each holds its piece and a little more
     * @param progress is told bytes as they are written, from any worker
     */
    public void write(PositionedOutput out, ExecutorService workers, LongConsumer progress) throws IOException {
        List<Future<?>> pieces = new ArrayList<>();
        for (Entry entry : entries) {
            WeightData data = entry.data();
            long rows = Math.max(1, PIECE / Math.max(1, data.rowBytes()));
            rows = Math.ceilDiv(rows, data.rowsAtOnce()) * data.rowsAtOnce();
            for (long from = 0; from < data.rows(); from += rows) {
                long first = from;
                long last = Math.min(data.rows(), from + rows);
                pieces.add(workers.submit(() -> writePiece(entry, first, last, out, progress)));
            }
        }
        try {
            for (Future<?> piece : pieces) {
                piece.get();
            }
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case null -> throw new IllegalStateException(e);
                case UncheckedIOException failed -> throw failed.getCause();
                case RuntimeException failed -> throw failed;
                case Error failed -> throw failed;
                default -> throw new IllegalStateException(e);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while writing " + name, e);
        } finally {
            pieces.forEach(piece -> piece.cancel(true));
        }
    }

    private static void writePiece(Entry entry, long first, long last, PositionedOutput out, LongConsumer progress) {
        long rowBytes = entry.data().rowBytes();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment piece = arena.allocate((last - first) * rowBytes, SMALL);
            entry.data().write(first, last, piece);
            out.write(piece.asByteBuffer(), entry.offset() + first * rowBytes);
            progress.accept((last - first) * rowBytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
