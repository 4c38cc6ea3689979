package org.vlmserve.onnx;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;

/**
 * A table of vectors on disk, row-major [rows, width], mapped into memory and widened to float a row at a time. Any size.
 * Thread-safe; a read after {@link #close} throws {@link IllegalStateException}.
 */
public final class EmbeddingTable implements AutoCloseable {

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Arena arena;
    private final MemorySegment data;
    private final DType dtype;
    private final int rows;
    private final int width;

    private EmbeddingTable(Arena arena, MemorySegment data, DType dtype, int rows, int width) {
        this.arena = arena;
        this.data = data;
        this.dtype = dtype;
        this.rows = rows;
        this.width = width;
    }

    /**
     * @param dtype F32, F16 or BF16
     * @throws VlmException {@code BUNDLE_CORRUPT} if the file cannot be read or has another size
     */
    @SuppressWarnings("MustBeClosedChecker") // the table owns the arena
    public static EmbeddingTable open(Path file, DType dtype, int rows, int width) {
        if (dtype != DType.F32 && dtype != DType.F16 && dtype != DType.BF16) {
            throw new VlmException(
                    ErrorCode.BUNDLE_CORRUPT, file + " is said to hold " + dtype + ", expected F32, F16 or BF16");
        }
        long expected = Math.multiplyExact((long) rows * width, (long) dtype.bytes());
        Arena arena = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            if (channel.size() != expected) {
                throw new VlmException(
                        ErrorCode.BUNDLE_CORRUPT,
                        file + " holds " + channel.size() + " bytes, expected " + expected + " for [" + rows + ", "
                                + width + "] of " + dtype + "; import the checkpoint again");
            }
            MemorySegment data = channel.map(FileChannel.MapMode.READ_ONLY, 0, expected, arena);
            return new EmbeddingTable(arena, data, dtype, rows, width);
        } catch (IOException e) {
            arena.close();
            throw new VlmException(
                    ErrorCode.BUNDLE_CORRUPT, "cannot read " + file + " (" + e.getMessage() + "); import again", e);
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    public int rows() {
        return rows;
    }

    public int width() {
        return width;
    }

    /**
     * Writes row {@code row} to {@code out[offset, offset + width)}.
     *
     * @throws IndexOutOfBoundsException for a row outside the table
     */
    public void row(int row, float[] out, int offset) {
        if (row < 0 || row >= rows) {
            throw new IndexOutOfBoundsException("row " + row + " of an embedding table of " + rows);
        }
        long start = (long) row * width * dtype.bytes();
        switch (dtype) {
            case F32 -> MemorySegment.copy(data, FLOAT, start, out, offset, width);
            case BF16 -> {
                for (int i = 0; i < width; i++) {
                    out[offset + i] = Float.intBitsToFloat(data.get(SHORT, start + 2L * i) << 16);
                }
            }
            case F16 -> {
                for (int i = 0; i < width; i++) {
                    out[offset + i] = Float.float16ToFloat(data.get(SHORT, start + 2L * i));
                }
            }
            default -> throw new IllegalStateException("unreachable: " + dtype);
        }
    }

    /** The rows of {@code ids}, one after the other: [ids.length, width]. */
    public float[] rows(int[] ids) {
        float[] out = new float[Math.multiplyExact(ids.length, width)];
        for (int i = 0; i < ids.length; i++) {
            row(ids[i], out, i * width);
        }
        return out;
    }

    @Override
    public void close() {
        arena.close();
    }
}
