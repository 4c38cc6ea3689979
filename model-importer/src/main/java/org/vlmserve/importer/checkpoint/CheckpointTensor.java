package org.vlmserve.importer.checkpoint;

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
public final class CheckpointTensor implements MatrixSource, StoredTensor {

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble DOUBLE =
            ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Elements that are copied to the heap at a time: reading them one by one would ask for each whether the file is open. */
    private static final int CHUNK = 256;

    private final String name;
    private final Path file;
    private final StoredType stored;
    private final DType dtype;
    private final long[] shape;
    private final long columns;
    private final long[] strides;
    private final boolean rowMajor;
    private final MemorySegment data;

    /**
     * @param strides elements from one index to the next, for each dimension
     * @param data from the first element to the last
     */
    CheckpointTensor(String name, Path file, StoredType stored, long[] shape, long[] strides, MemorySegment data) {
        this(name, file, stored, stored.given(), shape, strides, data);
    }

    private CheckpointTensor(
            String name, Path file, StoredType stored, DType dtype, long[] shape, long[] strides, MemorySegment data) {
        this.name = name;
        this.file = file;
        this.stored = stored;
        this.dtype = dtype;
        this.shape = shape;
        this.columns = Arrays.stream(shape).skip(1).reduce(1, (a, b) -> a * b);
        this.strides = strides;
        this.data = data;
        long[] dense = denseStrides(shape);
        this.rowMajor = IntStream.range(0, shape.length).allMatch(i -> shape[i] <= 1 || strides[i] == dense[i]);
    }

    /** One whose elements lie in {@code data} without gaps, the last dimension's side by side. */
    static CheckpointTensor rowMajor(String name, Path file, StoredType stored, long[] shape, MemorySegment data) {
        return new CheckpointTensor(name, file, stored, shape, denseStrides(shape), data);
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

    @Override
    public String name() {
        return name;
    }

    @Override
    public Path file() {
        return file;
    }

    /** The type that {@link #copy} gives: the file's, or F32 for what the file has in double precision. */
    public DType dtype() {
        return dtype;
    }

    public long[] shape() {
        return shape.clone();
    }

    /** The part of the file that holds the elements. */
    MemorySegment segment() {
        return data;
    }

    /** Bytes of all elements in {@link #dtype}. */
    public long byteSize() {
        return rows() * rowBytes();
    }

    /** Bytes of a row in {@link #dtype}. */
    public long rowBytes() {
        return columns * dtype.bytes();
    }

    /** Writes rows {@code [from, to)} to the start of {@code out}, in {@link #dtype}, little-endian. */
    public void copy(int from, int to, MemorySegment out) {
        if (stored.given() != dtype || stored.bytes() != dtype.bytes()) {
            float[] row = new float[columns()];
            for (int i = from; i < to; i++) {
                read(i, 0, row.length, row, 0);
                MemorySegment.copy(row, 0, out, FLOAT, (i - from) * rowBytes(), row.length);
            }
        } else if (rowMajor) {
            MemorySegment.copy(data, from * rowBytes(), out, 0, (to - from) * rowBytes());
        } else {
            int each = stored.bytes();
            long at = 0;
            for (long row = from; row < to; row++) {
                for (long column = 0; column < columns; column++, at += each) {
                    MemorySegment.copy(data, position(row, column), out, at, each);
                }
            }
        }
    }

    /** Where an element lies in {@link #data}, in bytes. */
    private long position(long row, long column) {
        long element = row * (shape.length == 0 ? 0 : strides[0]);
        long rest = column;
        for (int i = shape.length - 1; i > 0; i--) {
            element += rest % shape[i] * strides[i];
            rest /= shape[i];
        }
        return element * stored.bytes();
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
        long start = (row * columns + firstColumn) * stored.bytes();
        switch (stored) {
            case F64 -> narrowF64(start, count, out, offset);
            case F32 -> MemorySegment.copy(data, FLOAT, start, out, offset, count);
            case BF16 -> widenBf16(start, count, out, offset);
            case F16 -> widenF16(start, count, out, offset);
        }
    }

    private void readScattered(int row, int firstColumn, int count, float[] out, int offset) {
        for (int i = 0; i < count; i++) {
            long at = position(row, firstColumn + i);
            out[offset + i] = switch (stored) {
                case F64 -> (float) data.get(DOUBLE, at);
                case F32 -> data.get(FLOAT, at);
                case BF16 -> Float.intBitsToFloat(data.get(SHORT, at) << 16);
                case F16 -> Float.float16ToFloat(data.get(SHORT, at));
            };
        }
    }

    /** The same values, given as F32. */
    public CheckpointTensor asFloats() {
        return new CheckpointTensor(name, file, stored, DType.F32, shape, strides, data);
    }

    /** Whether all values are those of {@code other}, which has the same shape. A NaN is like nothing. */
    public boolean sameValues(CheckpointTensor other) {
        return IntStream.range(0, rows()).parallel().allMatch(row -> {
            float[] ours = new float[columns()];
            float[] theirs = new float[columns()];
            read(row, 0, ours.length, ours, 0);
            other.read(row, 0, theirs.length, theirs, 0);
            return IntStream.range(0, ours.length).allMatch(i -> ours[i] == theirs[i]);
        });
    }

    @Override
    public float largest(int row) {
        if (!rowMajor || stored != StoredType.BF16 || columns % 2 != 0) {
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

    private void narrowF64(long start, int count, float[] out, int offset) {
        double[] doubles = new double[Math.min(count, CHUNK)];
        for (int done = 0; done < count; done += doubles.length) {
            int length = Math.min(doubles.length, count - done);
            MemorySegment.copy(data, DOUBLE, start + (long) Double.BYTES * done, doubles, 0, length);
            for (int i = 0; i < length; i++) {
                out[offset + done + i] = (float) doubles[i];
            }
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
        return name + " " + stored + Arrays.toString(shape) + " in " + file;
    }
}
