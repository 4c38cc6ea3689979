package org.vlmserve.importer.graph;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import org.vlmserve.importer.checkpoint.MatrixSource;

/**
 * A weight as the graph will read it, made piece by piece so that no matrix is ever held whole. Its bytes are rows of equal
 * size; rows are made independently of each other and always come out the same. Thread-safe.
 */
public interface WeightData {

    ValueLayout.OfFloat LITTLE_FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** 1.5 · 2²³: a float near it has no binary places left. */
    float ROUND = 12_582_912;

    long rows();

    long rowBytes();

    /** Rows that are worth making together. */
    default int rowsAtOnce() {
        return 1;
    }

    /** Writes rows {@code [from, to)} to the start of {@code out}. */
    void write(long from, long to, MemorySegment out);

    /** A tensor as it is in the checkpoint, in float, its shape flattened to [rows, columns]. */
    static WeightData plain(MatrixSource source) {
        return new WeightData() {
            @Override
            public long rows() {
                return source.rows();
            }

            @Override
            public long rowBytes() {
                return (long) source.columns() * Float.BYTES;
            }

            @Override
            public void write(long from, long to, MemorySegment out) {
                float[] row = new float[source.columns()];
                for (long i = from; i < to; i++) {
                    source.read((int) i, 0, row.length, row, 0);
                    MemorySegment.copy(row, 0, out, LITTLE_FLOAT, (i - from) * rowBytes(), row.length);
                }
            }
        };
    }

    /** [out, in] → float [in, out], as {@code MatMul} wants its right side. */
    static WeightData transposed(MatrixSource source) {
        return new Transposed(source, Float.BYTES) {
            @Override
            public void write(long from, long to, MemorySegment out) {
                int run = (int) (to - from);
                float[] row = new float[run];
                float[] tile = new float[run * TILE];
                for (int first = 0; first < source.rows(); first += TILE) {
                    int count = Math.min(TILE, source.rows() - first);
                    for (int i = 0; i < count; i++) {
                        source.read(first + i, (int) from, run, row, 0);
                        for (int k = 0; k < run; k++) {
                            tile[k * TILE + i] = row[k];
                        }
                    }
                    for (int k = 0; k < run; k++) {
                        long at = k * rowBytes() + (long) first * Float.BYTES;
                        MemorySegment.copy(tile, k * TILE, out, LITTLE_FLOAT, at, count);
                    }
                }
            }
        };
    }

    /** [out, in] → signed bytes [in, out], each output channel divided by its scale and rounded to the nearest, half to even. */
    static WeightData transposedInt8(MatrixSource source, ChannelScales scales) {
        return new Transposed(source, Byte.BYTES) {
            @Override
            public void write(long from, long to, MemorySegment out) {
                int run = (int) (to - from);
                float[] row = new float[run];
                byte[] values = new byte[run];
                byte[] tile = new byte[run * TILE];
                for (int first = 0; first < source.rows(); first += TILE) {
                    int count = Math.min(TILE, source.rows() - first);
                    for (int i = 0; i < count; i++) {
                        source.read(first + i, (int) from, run, row, 0);
                        divide(row, scales.of(first + i), values);
                        for (int k = 0; k < run; k++) {
                            tile[k * TILE + i] = values[k];
                        }
                    }
                    for (int k = 0; k < run; k++) {
                        MemorySegment.copy(tile, k * TILE, out, ValueLayout.JAVA_BYTE, k * rowBytes() + first, count);
                    }
                }
            }
        };
    }

    /** A loop of its own, which the compiler turns into vector instructions. */
    private static void divide(float[] row, float scale, byte[] out) {
        for (int k = 0; k < row.length; k++) {
            // Quotients are within ±127, where adding and subtracting 1.5 · 2²³ rounds half to even.
            out[k] = (byte) (int) (row[k] / scale + ROUND - ROUND);
        }
    }

    /** The scales themselves, float [out]. */
    static WeightData scales(ChannelScales scales) {
        return new WeightData() {
            @Override
            public long rows() {
                return scales.count();
            }

            @Override
            public long rowBytes() {
                return Float.BYTES;
            }

            @Override
            public void write(long from, long to, MemorySegment out) {
                for (long i = from; i < to; i++) {
                    out.set(LITTLE_FLOAT, (i - from) * Float.BYTES, scales.of((int) i));
                }
            }
        };
    }

    /** Turns [out, in] into rows over {@code in}, in tiles so that both sides are touched in runs. */
    abstract class Transposed implements WeightData {

        /** Output channels of a tile: cache lines of the result, whatever its type. */
        static final int TILE = 64;

        private static final int RUN = 64;

        private final long rows;
        private final long rowBytes;

        Transposed(MatrixSource source, int elementBytes) {
            this.rows = source.columns();
            this.rowBytes = (long) source.rows() * elementBytes;
        }

        @Override
        public long rows() {
            return rows;
        }

        @Override
        public long rowBytes() {
            return rowBytes;
        }

        /** A run of a source row: 64 elements are one or more cache lines in every type. */
        @Override
        public int rowsAtOnce() {
            return RUN;
        }
    }
}
