package org.vlmserve.protocol.tensor;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * A dense row-major tensor over little-endian bytes. The bytes are shared, not copied: whoever creates a tensor hands its
 * buffer over and changes it no more.
 */
public final class Tensor {

    private final DType dtype;
    private final int[] shape;
    private final ByteBuffer data;

    /**
     * @param data the elements, from position to limit
     * @throws IllegalArgumentException if the byte count contradicts shape and type
     */
    public Tensor(DType dtype, int[] shape, ByteBuffer data) {
        long elements = 1;
        for (int dimension : shape) {
            if (dimension < 0) {
                throw new IllegalArgumentException("negative dimension in shape " + Arrays.toString(shape));
            }
            elements *= dimension;
        }
        if (elements * dtype.bytes() != data.remaining()) {
            throw new IllegalArgumentException("shape " + Arrays.toString(shape) + " of " + dtype + " needs "
                    + elements * dtype.bytes() + " bytes, got " + data.remaining());
        }
        this.dtype = dtype;
        this.shape = shape.clone();
        this.data = data.slice().order(ByteOrder.LITTLE_ENDIAN);
    }

    /** A float tensor over a copy of {@code values}. */
    public static Tensor ofFloats(float[] values, int... shape) {
        ByteBuffer bytes = ByteBuffer.allocateDirect(Math.multiplyExact(values.length, Float.BYTES))
                .order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        return new Tensor(DType.F32, shape, bytes);
    }

    public DType dtype() {
        return dtype;
    }

    public int[] shape() {
        return shape.clone();
    }

    public int rank() {
        return shape.length;
    }

    public int dim(int axis) {
        return shape[axis];
    }

    /** The bytes, as a view with its own position, little-endian. */
    public ByteBuffer data() {
        return data.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    }

    public int byteSize() {
        return data.remaining();
    }

    /** The elements as floats. @throws IllegalStateException unless the type is F32 */
    public float[] toFloats() {
        if (dtype != DType.F32) {
            throw new IllegalStateException("tensor holds " + dtype + ", expected F32");
        }
        float[] values = new float[data.remaining() / Float.BYTES];
        data().asFloatBuffer().get(values);
        return values;
    }

    /** Rows {@code [from, to)} along the first axis, sharing the bytes. */
    public Tensor rows(int from, int to) {
        int[] part = shape.clone();
        part[0] = to - from;
        int rowBytes = shape[0] == 0 ? 0 : data.remaining() / shape[0];
        return new Tensor(dtype, part, data.slice(from * rowBytes, (to - from) * rowBytes));
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Tensor that
                && dtype == that.dtype
                && Arrays.equals(shape, that.shape)
                && data.equals(that.data);
    }

    @Override
    public int hashCode() {
        return 31 * (31 * dtype.hashCode() + Arrays.hashCode(shape)) + data.hashCode();
    }

    @Override
    public String toString() {
        return dtype + Arrays.toString(shape);
    }
}
