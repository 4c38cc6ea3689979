package org.vlmserve.importer.checkpoint;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.vlmserve.protocol.tensor.DType;

/**
 * One tensor of a checkpoint, over the mapped file. Seen as a matrix it has the first dimension's rows; the other
 * dimensions, flattened, are its columns. Thread-safe while its {@link CheckpointReader} is open.
 */
public final class CheckpointTensor implements MatrixSource {

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Elements that are copied to the heap at a time: reading them one by one would ask for each whether the file is open. */
    private static final int CHUNK = 256;

    private final String name;
    private final Path file;
    private final DType dtype;
    private final long[] shape;
    private final long columns;
    private final long[] strides;
    private final boolean rowMajor;
    private final MemorySegment data;

    /**
     * @param dtype F32, F16 or BF16
     * @param strides elements from one index to the next, for each dimension
     * @param data from the first element to the last
     */
    CheckpointTensor(String name, Path file, DType dtype, long[] shape, long[] strides, MemorySegment data) {
        this.name = name;
        this.file = file;
        this.dtype = dtype;
        this.shape = shape;
        this.columns = Arrays.stream(shape).skip(1).reduce(1, (a, b) -> a * b);
        this.strides = strides;
        this.data = data;
        long[] dense = denseStrides(shape);
        this.rowMajor = IntStream.range(0, shape.length).allMatch(i -> shape[i] <= 1 || strides[i] == dense[i]);
    }

    /** One whose elements lie in {@code data} without gaps, the last dimension's side by side. */
    static CheckpointTensor rowMajor(String name, Path file, DType dtype, long[] shape, MemorySegment data) {
        return new CheckpointTensor(name, file, dtype, shape, denseStrides(shape), data);
    }

    private static long[] denseStrides(long[] shape) {
        long[] strides = new long[shape.length];
        long stride = 1;
        for (int i = shape.length - 1; i >= 0; i--) {
            strides[i] = stride;
            stride *= Math.max(1, shape[i]);
        }
        return strides;
    }

    public String name() {
        return name;
    }

    public Path file() {
        return file;
    }

    public DType dtype() {
        return dtype;
    }

    public long[] shape() {
        return shape.clone();
    }

    /** The elements in the file's type, row-major, little-endian: the mapped file, or a copy where they lie there in another order. */
    public MemorySegment data() {
        if (rowMajor) {
            return data;
        }
        int each = dtype.bytes();
        MemorySegment copy = Arena.ofAuto().allocate(rows() * columns * each, each);
        for (long i = 0; i < rows() * columns; i++) {
            MemorySegment.copy(data, position(i / columns, i % columns), copy, i * each, each);
        }
        return copy;
    }

    /** Where an element lies in {@link #data}, in bytes. */
    private long position(long row, long column) {
        long element = row * (shape.length == 0 ? 0 : strides[0]);
        long rest = column;
        for (int i = shape.length - 1; i > 0; i--) {
            element += rest % shape[i] * strides[i];
            rest /= shape[i];
        }
        return element * dtype.bytes();
    }

    @Override
    public int rows() {
        return shape.length == 0 ? 1 : Math.toIntExact(shape[0]);
    }

    @Override
    public int columns() {
        return Math.toIntExact(columns);
    }

    @Override
    public void read(int row, int firstColumn, int count, float[] out, int offset) {
        if (!rowMajor) {
            readScattered(row, firstColumn, count, out, offset);
            return;
        }
        long start = (row * columns + firstColumn) * dtype.bytes();
        switch (dtype) {
            case F32 -> MemorySegment.copy(data, FLOAT, start, out, offset, count);
            case BF16 -> widenBf16(start, count, out, offset);
            case F16 -> widenF16(start, count, out, offset);
            default -> throw new IllegalStateException("unreachable: " + dtype);
        }
    }

    private void readScattered(int row, int firstColumn, int count, float[] out, int offset) {
        for (int i = 0; i < count; i++) {
            long at = position(row, firstColumn + i);
            out[offset + i] = switch (dtype) {
                case F32 -> data.get(FLOAT, at);
                case BF16 -> Float.intBitsToFloat(data.get(SHORT, at) << 16);
                case F16 -> Float.float16ToFloat(data.get(SHORT, at));
                default -> throw new IllegalStateException("unreachable: " + dtype);
            };
        }
    }

    /** The same values as F32: itself, or a copy in memory. */
    public CheckpointTensor asFloats() {
        if (dtype == DType.F32) {
            return this;
        }
        MemorySegment copy = Arena.ofAuto().allocate((long) rows() * columns() * Float.BYTES, Float.BYTES);
        float[] row = new float[columns()];
        for (int i = 0; i < rows(); i++) {
            read(i, 0, row.length, row, 0);
            MemorySegment.copy(row, 0, copy, FLOAT, (long) i * row.length * Float.BYTES, row.length);
        }
        return rowMajor(name, file, DType.F32, shape, copy);
    }

    @Override
    public float largest(int row) {
        if (!rowMajor || dtype != DType.BF16 || columns % 2 != 0) {
            return MatrixSource.super.largest(row);
        }
        // Without their signs, floats are in the order of their bits.
        int[] pairs = new int[columns() / 2];
        MemorySegment.copy(data, INT, row * columns * 2, pairs, 0, pairs.length);
        int largest = 0;
        for (int pair : pairs) {
            largest = Math.max(largest, Math.max(pair & 0x7fff0000, (pair << 16) & 0x7fff0000));
        }
        return Float.intBitsToFloat(largest);
    }

    /** bf16 is the upper half of a float: two in an int become two floats in a long, by loops that the compiler vectorises. */
    private void widenBf16(long start, int count, float[] out, int offset) {
        int[] pairs = new int[Math.min(count / 2, CHUNK)];
        long[] floats = new long[pairs.length];
        MemorySegment target = MemorySegment.ofArray(out);
        int done = 0;
        while (done < count - 1) {
            int length = Math.min(pairs.length, (count - done) / 2);
            MemorySegment.copy(data, INT, start + 2L * done, pairs, 0, length);
            for (int i = 0; i < length; i++) {
                floats[i] = (long) (pairs[i] & 0xffff0000) << 32 | (pairs[i] << 16) & 0xffffffffL;
            }
            MemorySegment.copy(floats, 0, target, LONG, (long) (offset + done) * Float.BYTES, length);
            done += 2 * length;
        }
        if (done < count) {
            out[offset + done] = Float.intBitsToFloat(data.get(SHORT, start + 2L * done) << 16);
        }
    }

    private void widenF16(long start, int count, float[] out, int offset) {
        short[] halves = new short[Math.min(count, CHUNK)];
        for (int done = 0; done < count; done += halves.length) {
            int length = Math.min(halves.length, count - done);
            MemorySegment.copy(data, SHORT, start + 2L * done, halves, 0, length);
            for (int i = 0; i < length; i++) {
                out[offset + done + i] = Float.float16ToFloat(halves[i]);
            }
        }
    }

    @Override
    public String toString() {
        return name + " " + dtype + Arrays.toString(shape) + " in " + file;
    }
}
