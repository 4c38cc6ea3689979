package org.vlmserve.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.vlmserve.protocol.tensor.DType;

class TensorAssertTest {

    @Test
    void acceptsWhatIsCloseEnough() {
        TensorAssert.assertThat(new float[] {1, 2.00001f, Float.NaN, 4}, 2, 2)
                .hasShape(2, 2)
                .isCloseTo(floats("(2, 2)", 1, 2, Float.NaN, 4), 1e-4);
    }

    @Test
    void namesTheWorstAndTheFirstElement() {
        assertThatThrownBy(() -> TensorAssert.assertThat(new float[] {1, 2.5f, 3, 7}, 2, 2)
                        .isCloseTo(floats("(2, 2)", 1, 2, 3, 4), 0.25))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("2 of 4 elements differ from golden.npy by more than 0.2500000")
                .hasMessageContaining("worst at [1, 1]: expected 4 but was 7 (off by 3)")
                .hasMessageContaining("first at [0, 1]: expected 2 but was 2.500000");
    }

    @Test
    void refusesNotANumber() {
        assertThatThrownBy(() ->
                        TensorAssert.assertThat(new float[] {1, Float.NaN}, 2).isCloseTo(floats("(2,)", 1, 2), 1e9))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("worst at [1]: expected 2 but was NaN");
    }

    @Test
    void refusesAnotherShape() {
        assertThatThrownBy(
                        () -> TensorAssert.assertThat(new float[] {1, 2}, 1, 2).isCloseTo(floats("(2, 1)", 1, 2), 1))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("Expected shape [2, 1] but was [1, 2]");
    }

    @Test
    void allowsARelativeDistance() {
        TensorAssert.assertThat(new float[] {1010}, 1).isCloseTo(floats("(1,)", 1000), 0, 0.02);
    }

    @Test
    void readsUnsignedBytesAndLongs() {
        NpyArray bytes = npy("|u1", "(3,)", new byte[] {0, 127, (byte) 255});
        assertThat(bytes.bytes()).containsExactly(0, 127, -1);
        TensorAssert.assertThat(bytes).isIdenticalTo(bytes);
        assertThatThrownBy(() ->
                        TensorAssert.assertThat(bytes).isIdenticalTo(npy("|u1", "(3,)", new byte[] {0, 127, 0})))
                .hasMessageContaining("expected 0 but was 255");
        ByteBuffer eight = ByteBuffer.allocate(16)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(-5)
                .putLong(1L << 40);
        NpyArray longs = npy("<i8", "(2, 1)", eight.array());
        assertThat(longs.longs()).containsExactly(-5, 1L << 40);
        assertThat(longs.shape()).containsExactly(2, 1);
        assertThatThrownBy(longs::floats)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("I64");
    }

    @Test
    void readsAScalar() {
        NpyArray scalar = floats("()", 3);
        assertThat(scalar.shape()).isEmpty();
        assertThat(scalar.floats()).containsExactly(3f);
    }

    @Test
    void refusesOtherFiles() {
        assertThatThrownBy(() -> NpyArray.parse("a.npy", "nothing of the sort".getBytes(StandardCharsets.UTF_8)))
                .hasMessageContaining("a.npy is no .npy file");
        assertThatThrownBy(() -> npy("<f8", "(1,)", new byte[8])).hasMessageContaining("holds <f8");
        assertThatThrownBy(() -> npy("<f4", "(3,)", new byte[8])).hasMessageContaining("needs 12 bytes, got 8");
        assertThatThrownBy(() -> NpyArray.parse(
                        "a.npy", file("{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }", new byte[4])))
                .hasMessageContaining("Fortran");
    }

    private static NpyArray floats(String shape, float... values) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        NpyArray array = npy("<f4", shape, bytes.array());
        assertThat(array.dtype()).isEqualTo(DType.F32);
        return array;
    }

    private static NpyArray npy(String descr, String shape, byte[] data) {
        String header = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
        return NpyArray.parse("golden.npy", file(header, data));
    }

    private static byte[] file(String header, byte[] data) {
        byte[] text = (header + "\n").getBytes(StandardCharsets.ISO_8859_1);
        return ByteBuffer.allocate(10 + text.length + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0})
                .putShort((short) text.length)
                .put(text)
                .put(data)
                .array();
    }
}
