package org.vlmserve.importer.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;

class SafetensorsTest {

    private static final String FLOATS = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}";

    @TempDir
    Path directory;

    @Test
    void readsEveryFloatType() throws IOException {
        ByteBuffer data = ByteBuffer.allocate(28).order(ByteOrder.LITTLE_ENDIAN);
        data.putFloat(1.5f).putFloat(-2);
        data.putShort((short) (Float.floatToRawIntBits(3f) >>> 16)).putShort((short) 0xc080);
        data.putShort(Float.floatToFloat16(0.25f)).putShort(Float.floatToFloat16(-7));
        data.putLong(9).putInt(0);
        write(
                "model.safetensors",
                "{\"__metadata__\":{\"format\":\"pt\"},"
                        + "\"f\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                        + "\"b\":{\"dtype\":\"BF16\",\"shape\":[1,2],\"data_offsets\":[8,12]},"
                        + "\"h\":{\"dtype\":\"F16\",\"shape\":[2,1,1],\"data_offsets\":[12,16]},"
                        + "\"i\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[16,24]},"
                        + "\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[24,28]}}   ",
                data.array());
        try (CheckpointReader reader = CheckpointReader.open(directory)) {
            assertThat(reader.names()).containsExactly("f", "b", "h", "i", "s");
            assertThat(reader.tensor(List.of("f"), 2).readAll()).containsExactly(1.5f, -2);
            assertThat(reader.tensor(List.of("gone", "b"), 1, 2).readAll()).containsExactly(3, -4);
            CheckpointTensor half = reader.tensor(List.of("h"), 2, 1, 1);
            assertThat(half.dtype()).isEqualTo(DType.F16);
            assertThat(half.rows()).isEqualTo(2);
            assertThat(half.columns()).isEqualTo(1);
            assertThat(half.readAll()).containsExactly(0.25f, -7);
            assertThat(reader.tensor(List.of("s")).readAll()).containsExactly(0);
        }
    }

    /** Longer than the pieces that a row is widened in, of odd length, and from odd places. */
    @Test
    void readsPartsOfRowsOfEveryType() throws IOException {
        int columns = 1031;
        for (String dtype : List.of("BF16", "F16", "F64")) {
            int each = dtype.equals("F64") ? Double.BYTES : Short.BYTES;
            ByteBuffer data = ByteBuffer.allocate(2 * columns * each).order(ByteOrder.LITTLE_ENDIAN);
            float[] expected = new float[2 * columns];
            for (int i = 0; i < expected.length; i++) {
                expected[i] = (i % 2 == 0 ? 1 : -1) * (i % 128) / 64f;
                switch (dtype) {
                    case "F64" -> data.putDouble(expected[i]);
                    case "F16" -> data.putShort(Float.floatToFloat16(expected[i]));
                    default -> data.putShort((short) (Float.floatToIntBits(expected[i]) >>> 16));
                }
            }
            write(
                    "model.safetensors",
                    "{\"w\":{\"dtype\":\"" + dtype + "\",\"shape\":[2," + columns + "],\"data_offsets\":[0,"
                            + data.capacity() + "]}}",
                    data.array());
            try (CheckpointReader reader = CheckpointReader.open(directory)) {
                CheckpointTensor tensor = reader.tensor(List.of("w"), 2, columns);
                assertThat(tensor.readAll()).containsExactly(expected);
                for (int count : new int[] {0, 1, 2, 511, 513, 1000}) {
                    float[] part = new float[count + 3];
                    tensor.read(1, 31, count, part, 3);
                    assertThat(Arrays.copyOfRange(part, 3, count + 3))
                            .containsExactly(Arrays.copyOfRange(expected, columns + 31, columns + 31 + count));
                    assertThat(Arrays.copyOf(part, 3)).containsOnly(0f);
                }
                assertThat(tensor.largest(1)).isEqualTo(127 / 64f);
                assertThat(tensor.dtype()).isEqualTo(each == Double.BYTES ? DType.F32 : DType.valueOf(dtype));
                CheckpointTensor floats = tensor.asFloats();
                MemorySegment copy = MemorySegment.ofArray(new byte[columns * Float.BYTES]);
                floats.copy(1, 2, copy);
                assertThat(floats.byteSize()).isEqualTo(2L * columns * Float.BYTES);
                assertThat(copy.toArray(ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN)))
                        .containsExactly(Arrays.copyOfRange(expected, columns, 2 * columns));
            }
        }
    }

    @Test
    void readsShardsThroughTheIndex() throws IOException {
        write("one.safetensors", FLOATS, new byte[16]);
        write("two.safetensors", FLOATS.replace("\"a\"", "\"b\""), new byte[16]);
        Files.writeString(
                directory.resolve("model.safetensors.index.json"),
                "{\"metadata\":{},\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}");
        try (CheckpointReader reader = CheckpointReader.open(directory)) {
            assertThat(reader.names()).containsExactly("a", "b");
        }
        Files.delete(directory.resolve("two.safetensors"));
        assertUnreadable(() -> CheckpointReader.open(directory), "two.safetensors", "is missing");
        Files.writeString(
                directory.resolve("model.safetensors.index.json"), "{\"weight_map\":{\"a\":\"../one.safetensors\"}}");
        assertUnreadable(() -> CheckpointReader.open(directory), "index.json", "'../one.safetensors'");
        Files.writeString(directory.resolve("model.safetensors.index.json"), "{]");
        assertUnreadable(() -> CheckpointReader.open(directory), "index.json", "no JSON");
    }

    @Test
    void refusesADamagedFile() throws IOException {
        assertDamaged(new byte[5], "5 bytes");
        assertDamaged(header(1 << 20, FLOATS, new byte[16]), "claims 1048576 bytes");
        assertDamaged(header(-1, FLOATS, new byte[16]), "claims 18446744073709551615 bytes");
        assertDamaged(header(FLOATS.length(), FLOATS, new byte[15]), "tensor a", "[0, 16) of 15 bytes", "cut short");
        assertDamaged(file("{\"a\":", new byte[16]), "no JSON");
        assertDamaged(file("[]", new byte[16]), "no JSON object");
        assertDamaged(file(FLOATS.replace("[2,2]", "[2,3]"), new byte[16]), "tensor a", "16 bytes, expected 24");
        assertDamaged(file(FLOATS.replace("[2,2]", "[4294967296,4294967296]"), new byte[16]), "tensor a");
        assertDamaged(file(FLOATS.replace("[2,2]", "[-2,-2]"), new byte[16]), "tensor a", "whole numbers");
        assertDamaged(file(FLOATS.replace("[0,16]", "[16,0]"), new byte[16]), "tensor a", "[16, 0)");
        assertDamaged(file(FLOATS.replace("[0,16]", "[0,1e99]"), new byte[16]), "tensor a", "whole numbers");
        // As the reference implementation: all bytes belong to a tensor.
        assertDamaged(file(FLOATS, new byte[20]), "4 bytes behind tensor a belong to no tensor");
        assertDamaged(
                file(FLOATS.replace("[0,16]", "[4,20]"), new byte[20]), "4 bytes between the header and tensor a");
        assertDamaged(
                file(
                        FLOATS.replace("}}", "},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[16,20]}}"),
                        new byte[20]),
                "16 bytes between the header and tensor a");
        assertDamaged(
                file(
                        FLOATS.replace("}}", "},\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[12,20]}}"),
                        new byte[20]),
                "tensor b overlaps tensor a");
    }

    @Test
    void refusesANameThatNoFileCanHave() throws IOException {
        Files.writeString(directory.resolve("model.safetensors.index.json"), "{\"weight_map\":{\"a\":\"a\\u0000b\"}}");
        assertUnreadable(() -> CheckpointReader.open(directory).close(), "expected a file beside it");
    }

    @Test
    void namesATensorThatIsMissingOrHasAnotherShape() throws IOException {
        write("model.safetensors", FLOATS, new byte[16]);
        try (CheckpointReader reader = CheckpointReader.open(directory)) {
            assertUnreadable(() -> reader.tensor(List.of("x", "y"), 2), "tensor x or y is missing");
            assertUnreadable(() -> reader.tensor(List.of("a"), 4), "tensor a has shape [2, 2]", "asks for [4]");
        }
    }

    @Test
    void refusesADirectoryWithoutWeights() throws IOException {
        Files.write(directory.resolve("model.ckpt"), new byte[4]);
        assertUnreadable(
                () -> CheckpointReader.open(directory), "no weights", "model.safetensors or pytorch_model.bin");
    }

    private void assertDamaged(byte[] file, String... parts) throws IOException {
        Files.write(directory.resolve("model.safetensors"), file);
        assertUnreadable(() -> CheckpointReader.open(directory).close(), "model.safetensors");
        assertUnreadable(() -> CheckpointReader.open(directory).close(), parts);
    }

    private static void assertUnreadable(ThrowingCallable call, String... parts) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CHECKPOINT_UNREADABLE))
                .message()
                .contains(Arrays.asList(parts));
    }

    private void write(String name, String json, byte[] data) throws IOException {
        Files.write(directory.resolve(name), file(json, data));
    }

    private static byte[] file(String json, byte[] data) {
        return header(json.length(), json, data);
    }

    private static byte[] header(long length, String json, byte[] data) {
        byte[] text = json.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(8 + text.length + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(length)
                .put(text)
                .put(data)
                .array();
    }
}
