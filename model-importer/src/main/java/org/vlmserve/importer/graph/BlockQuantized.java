package org.vlmserve.importer.graph;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.vlmserve.importer.checkpoint.MatrixSource;

/**
 * A weight [out, in] in blocks along {@code in}, each with a scale of its own, in the layout of ONNX Runtime's
 * {@code MatMulNBits}: packed [out, blocks, block · bits / 8] and scales [out, blocks]. Values are unsigned around the default zero
 * point (8 of 4 bits, 128 of 8); of two 4-bit values in a byte the first is the low half. A last block that is not full is
 * filled with zeros, which the operator does not read.
 *
 * <p>The scale maps a block's largest magnitude, with its sign, to the far end of the asymmetric range (−8 of 4 bits), which
 * spends all 16 levels. Source: ggml's Q4_0 ({@code quantize_row_q4_0_ref} in ggml-quants.c).
 */
final class BlockQuantized {

    private final MatrixSource source;
    private final int bits;
    private final int block;
    private final int blocks;

    /** @param bits 4 or 8 */
    BlockQuantized(MatrixSource source, int bits, int block) {
        this.source = source;
        this.bits = bits;
        this.block = block;
        this.blocks = Math.ceilDiv(source.columns(), block);
    }

    int blocks() {
        return blocks;
    }

    int blockBytes() {
        return block * bits / 8;
    }

    WeightData packed() {
        return new Rows((long) blocks * blockBytes()) {
            @Override
            void writeRow(float[] row, MemorySegment out, long at) {
                for (int b = 0; b < blocks; b++) {
                    float scale = scale(row, b);
                    float inverse = scale == 0 ? 0 : 1 / scale;
                    for (int i = b * block; i < (b + 1) * block; i++) {
                        row[i] *= inverse;
                    }
                }
                byte[] values = new byte[row.length];
                quantize(row, 1 << (bits - 1), values);
                if (bits == 4) {
                    for (int i = 0; i < values.length / 2; i++) {
                        values[i] = (byte) (values[2 * i] | values[2 * i + 1] << 4);
                    }
                }
                MemorySegment.copy(values, 0, out, ValueLayout.JAVA_BYTE, at, (int) rowBytes());
            }
        };
    }

    WeightData scales() {
        return new Rows((long) blocks * Float.BYTES) {
            @Override
            void writeRow(float[] row, MemorySegment out, long at) {
                for (int b = 0; b < blocks; b++) {
                    out.set(WeightData.LITTLE_FLOAT, at + (long) b * Float.BYTES, scale(row, b));
                }
            }
        };
    }

    /** A loop of its own, which the compiler turns into vector instructions. */
    private static void quantize(float[] scaled, int zero, byte[] out) {
        for (int i = 0; i < scaled.length; i++) {
            // Values are within ±zero; the one at the near end has no level.
            out[i] = (byte) Math.min((int) (scaled[i] + WeightData.ROUND - WeightData.ROUND) + zero, 2 * zero - 1);
        }
    }

    /** The signed scale of block {@code b}: its extreme value lands on −2^(bits−1). */
    private float scale(float[] row, int b) {
        int largest = Integer.MIN_VALUE;
        for (int i = b * block; i < (b + 1) * block; i++) {
            // Magnitude above sign, in the order of integers: without a branch, which random weights would mispredict.
            largest = Math.max(largest, Integer.rotateLeft(Float.floatToRawIntBits(row[i]), 1) ^ Integer.MIN_VALUE);
        }
        float extreme = Float.intBitsToFloat(Integer.rotateRight(largest ^ Integer.MIN_VALUE, 1));
        return extreme / -(1 << (bits - 1));
    }

    /** Output rows, one for each source row, which is padded with zeros to whole blocks. */
    private abstract class Rows implements WeightData {

        private final long rowBytes;

        Rows(long rowBytes) {
            this.rowBytes = rowBytes;
        }

        @Override
        public long rows() {
            return source.rows();
        }

        @Override
        public long rowBytes() {
            return rowBytes;
        }

        abstract void writeRow(float[] row, MemorySegment out, long at);

        @Override
        public void write(long from, long to, MemorySegment out) {
            float[] row = new float[blocks * block];
            for (long i = from; i < to; i++) {
                source.read((int) i, 0, source.columns(), row, 0);
                writeRow(row, out, (i - from) * rowBytes);
            }
        }
    }
}
