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

    /** @param bits 4 or 8 */
    BlockQuantized(MatrixSource source, int bits, int block) {
        this.source = source;
        this.bits = bits;
        this.block = block;
    }

    int blocks() {
        return Math.ceilDiv(source.columns(), block);
    }

    int blockBytes() {
        return block * bits / 8;
    }

    WeightData packed() {
        return new Rows((long) blocks() * blockBytes()) {
            @Override
            void writeRow(float[] row, MemorySegment out, long at) {
                int zero = 1 << (bits - 1);
                for (int b = 0; b < blocks(); b++) {
                    float scale = scale(row, b);
                    float inverse = scale == 0 ? 0 : 1 / scale;
                    for (int i = 0; i < block; i += 8 / bits) {
                        int value = quantize(row[b * block + i] * inverse, zero);
                        if (bits == 4) {
                            value |= quantize(row[b * block + i + 1] * inverse, zero) << 4;
                        }
                        out.set(ValueLayout.JAVA_BYTE, at + (long) b * blockBytes() + (long) i * bits / 8, (byte)
                                value);
                    }
                }
            }
        };
    }

    WeightData scales() {
        return new Rows((long) blocks() * Float.BYTES) {
            @Override
            void writeRow(float[] row, MemorySegment out, long at) {
                for (int b = 0; b < blocks(); b++) {
                    out.set(WeightData.LITTLE_FLOAT, at + (long) b * Float.BYTES, scale(row, b));
                }
            }
        };
    }

    private static int quantize(float value, int zero) {
        return Math.clamp((long) Math.rint(value) + zero, 0, 2 * zero - 1);
    }

    /** The signed scale of block {@code b}: its extreme value lands on −2^(bits−1). */
    private float scale(float[] row, int b) {
        float extreme = 0;
        for (int i = b * block; i < (b + 1) * block; i++) {
            if (Math.abs(row[i]) > Math.abs(extreme)) {
                extreme = row[i];
            }
        }
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
            float[] row = new float[blocks() * block];
            for (long i = from; i < to; i++) {
                source.read((int) i, 0, source.columns(), row, 0);
                writeRow(row, out, (i - from) * rowBytes);
            }
        }
    }
}
