package org.vlmserve.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;

class EmbeddingTableTest {

    private static final float[] VALUES = {1, -2, 0.5f, 3, -0.25f, 128};

    @TempDir
    Path directory;

    @Test
    void widensEveryType() throws IOException {
        for (DType dtype : new DType[] {DType.F32, DType.F16, DType.BF16}) {
            ByteBuffer data = ByteBuffer.allocate(VALUES.length * dtype.bytes()).order(ByteOrder.LITTLE_ENDIAN);
            for (float value : VALUES) {
                switch (dtype) {
                    case F32 -> data.putFloat(value);
                    case F16 -> data.putShort(Float.floatToFloat16(value));
                    default -> data.putShort((short) (Float.floatToRawIntBits(value) >>> 16));
                }
            }
            Path file = Files.write(directory.resolve(dtype + ".bin"), data.array());
            try (EmbeddingTable table = EmbeddingTable.open(file, dtype, 3, 2)) {
                assertThat(table.rows(new int[] {2, 0, 1})).containsExactly(-0.25f, 128, 1, -2, 0.5f, 3);
            }
        }
    }

    /** The file is sparse: it takes up a page, not its size. */
    @Test
    void readsBeyondTwoGigabytes() throws IOException {
        Path file = directory.resolve("large.bin");
        int width = 1 << 20;
        int rows = 600;
        try (RandomAccessFile large = new RandomAccessFile(file.toFile(), "rw")) {
            large.setLength(4L * width * rows);
            large.seek(4L * width * (rows - 1));
            large.write(new byte[] {0, 0, (byte) 0x80, 0x3f});
        }
        try (EmbeddingTable table = EmbeddingTable.open(file, DType.F32, rows, width)) {
            float[] row = new float[width];
            table.row(rows - 1, row, 0);
            assertThat(row[0]).isEqualTo(1);
            assertThat(row[1]).isZero();
        }
    }

    @Test
    void refusesAnotherSizeAndAnotherRow() throws IOException {
        Path file = Files.write(directory.resolve("short.bin"), new byte[23]);
        assertThatThrownBy(() -> EmbeddingTable.open(file, DType.F32, 3, 2))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.BUNDLE_CORRUPT))
                .hasMessageContaining("23 bytes, expected 24");
        Files.write(file, new byte[24]);
        try (EmbeddingTable table = EmbeddingTable.open(file, DType.F32, 3, 2)) {
            assertThatThrownBy(() -> table.row(3, new float[2], 0)).hasMessageContaining("row 3");
            assertThatThrownBy(() -> table.row(-1, new float[2], 0)).hasMessageContaining("row -1");
        }
        assertThatThrownBy(() -> EmbeddingTable.open(directory.resolve("none.bin"), DType.F32, 3, 2))
                .hasMessageContaining("none.bin");
    }
}
