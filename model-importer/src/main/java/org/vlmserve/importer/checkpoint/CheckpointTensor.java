package org.vlmserve.importer.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import org.vlmserve.protocol.tensor.DType;

/**
 * One tensor of a checkpoint, over the mapped file. Seen as a matrix it has the first dimension's rows; the other
 * dimensions, flattened, are its columns. Thread-safe while its {@link CheckpointReader} is open.
 */
public final class CheckpointTensor implements MatrixSource {

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final String name;
    private final Path file;
    private final DType dtype;
    private final long[] shape;
    private final MemorySegment data;

    /** @param dtype F32, F16 or BF16 */
    CheckpointTensor(String name, Path file, DType dtype, long[] shape, MemorySegment data) {
        this.name = name;
        this.file = file;
        this.dtype = dtype;
        this.shape = shape;
        this.data = data;
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

    /** The elements as they lie in the file, row-major, little-endian. */
    public MemorySegment data() {
        return data;
    }

    @Override
    public int rows() {
        return shape.length == 0 ? 1 : Math.toIntExact(shape[0]);
    }

    @Override
    public int columns() {
        return Math.toIntExact(Arrays.stream(shape).skip(1).reduce(1, Math::multiplyExact));
    }

    @Override
    public void read(int row, int firstColumn, int count, float[] out, int offset) {
        long start = ((long) row * columns() + firstColumn) * dtype.bytes();
        switch (dtype) {
            case F32 -> MemorySegment.copy(data, FLOAT, start, out, offset, count);
            case BF16 -> {
                for (int i = 0; i < count; i++) {
                    out[offset + i] = Float.intBitsToFloat(data.get(SHORT, start + 2L * i) << 16);
                }
            }
            case F16 -> {
                for (int i = 0; i < count; i++) {
                    out[offset + i] = Float.float16ToFloat(data.get(SHORT, start + 2L * i));
                }
            }
            default -> throw new IllegalStateException("unreachable: " + dtype);
        }
    }

    @Override
    public String toString() {
        return name + " " + dtype + Arrays.toString(shape) + " in " + file;
    }
}
