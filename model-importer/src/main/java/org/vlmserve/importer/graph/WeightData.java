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
        return new Transposed(source) {
            @Override
            public long rowBytes() {
                return (long) source.rows() * Float.BYTES;
            }

            @Override
            void put(MemorySegment out, long element, int row, float value) {
                out.set(LITTLE_FLOAT, element * Float.BYTES, value);
            }
        };
    }

    /** [out, in] → signed bytes [in, out], each output channel divided by its scale and rounded to the nearest, half to even. */
    static WeightData transposedInt8(MatrixSource source, ChannelScales scales) {
        return new Transposed(source) {
            @Override
            public long rowBytes() {
                return source.rows();
            }

            @Override
            void put(MemorySegment out, long element, int row, float value) {
                out.set(ValueLayout.JAVA_BYTE, element, (byte) Math.rint(value / scales.of(row)));
            }
        };
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

        private static final int TILE = 16;
        private static final int RUN = 64;

        private final MatrixSource source;

        Transposed(MatrixSource source) {
            this.source = source;
        }

        @Override
        public long rows() {
            return source.columns();
        }

        /** A run of a source row: 64 elements are one or more cache lines in every type. */
        @Override
        public int rowsAtOnce() {
            return RUN;
        }

        abstract void put(MemorySegment out, long element, int row, float value);

        @Override
        public void write(long from, long to, MemorySegment out) {
            int run = (int) (to - from);
            int outputs = source.rows();
            float[] tile = new float[TILE * run];
            for (int first = 0; first < outputs; first += TILE) {
                int count = Math.min(TILE, outputs - first);
                for (int i = 0; i < count; i++) {
                    source.read(first + i, (int) from, run, tile, i * run);
                }
                for (int k = 0; k < run; k++) {
                    for (int i = 0; i < count; i++) {
                        put(out, (long) k * outputs + first + i, first + i, tile[i * run + k]);
                    }
                }
            }
        }
    }
}
