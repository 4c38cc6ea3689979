package org.vlmserve.importer.graph;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vlmserve.importer.checkpoint.MatrixSource;

/** The loops that make weights, each against its definition: 150 × 130 fills no tile, and is made in parts. */
class WeightDataTest {

    private static final int ROWS = 150;
    private static final int COLUMNS = 130;

    private final float[] values = values();
    private final MatrixSource source = new MatrixSource() {
        @Override
        public int rows() {
            return ROWS;
        }

        @Override
        public int columns() {
            return COLUMNS;
        }

        @Override
        public void read(int row, int firstColumn, int count, float[] out, int offset) {
            System.arraycopy(values, row * COLUMNS + firstColumn, out, offset, count);
        }
    };

    @Test
    void aTransposedMatrixHasItsElementsInTheOtherOrder() {
        byte[] made = make(WeightData.transposed(source), 64);
        for (int row = 0; row < ROWS; row++) {
            for (int column = 0; column < COLUMNS; column++) {
                long at = (long) Float.BYTES * (column * ROWS + row);
                assertThat(MemorySegment.ofArray(made).get(WeightData.LITTLE_FLOAT, at))
                        .isEqualTo(values[row * COLUMNS + column]);
            }
        }
    }

    @Test
    void anInt8ElementIsItsQuotientRoundedHalfToEven() {
        ChannelScales scales = new ChannelScales(source);
        byte[] made = make(WeightData.transposedInt8(source, scales), 64);
        for (int row = 0; row < ROWS; row++) {
            for (int column = 0; column < COLUMNS; column++) {
                assertThat(made[column * ROWS + row])
                        .isEqualTo((byte) Math.rint(values[row * COLUMNS + column] / scales.of(row)));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"4", "8"})
    void aBlocksExtremeLandsOnTheFarEnd(int bits) {
        int block = 32;
        int zero = 1 << (bits - 1);
        BlockQuantized blocks = new BlockQuantized(source, bits, block);
        byte[] packed = make(blocks.packed(), 7);
        MemorySegment scales = MemorySegment.ofArray(make(blocks.scales(), 7));
        for (int row = 0; row < ROWS; row++) {
            for (int b = 0; b < blocks.blocks(); b++) {
                float scale = scales.get(WeightData.LITTLE_FLOAT, (long) Float.BYTES * (row * blocks.blocks() + b));
                float extreme = 0;
                for (int i = b * block; i < Math.min(COLUMNS, (b + 1) * block); i++) {
                    float value = values[row * COLUMNS + i];
                    extreme = Math.abs(value) > Math.abs(extreme) ? value : extreme;
                    int at = (row * blocks.blocks() + b) * blocks.blockBytes() + i % block * bits / 8;
                    int level = (packed[at] & 0xff) >> (i % (8 / bits) * bits) & (2 * zero - 1);
                    double expected = scale == 0 ? zero : Math.rint(value * (1 / scale)) + zero;
                    assertThat(level).isEqualTo((int) Math.min(expected, 2 * zero - 1));
                }
                assertThat(scale).isEqualTo(extreme / -zero);
            }
        }
    }

    private static byte[] make(WeightData data, int rowsAtOnce) {
        byte[] made = new byte[Math.toIntExact(data.rows() * data.rowBytes())];
        for (long from = 0; from < data.rows(); from += rowsAtOnce) {
            long to = Math.min(data.rows(), from + rowsAtOnce);
            byte[] part = new byte[(int) ((to - from) * data.rowBytes())];
            data.write(from, to, MemorySegment.ofArray(part));
            MemorySegment.copy(
                    part, 0, MemorySegment.ofArray(made), ValueLayout.JAVA_BYTE, from * data.rowBytes(), part.length);
        }
        return made;
    }

    /** Normal, with rows of zeros, halves that round to even, and a block of zeros. */
    private static float[] values() {
        SplittableRandom random = new SplittableRandom(4);
        float[] values = new float[ROWS * COLUMNS];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        for (int column = 0; column < COLUMNS; column++) {
            values[5 * COLUMNS + column] = 0;
            values[6 * COLUMNS + column] = column == 0 ? 127 : column - 64.5f;
        }
        for (int column = 32; column < 64; column++) {
            values[7 * COLUMNS + column] = 0;
        }
        return values;
    }
}
