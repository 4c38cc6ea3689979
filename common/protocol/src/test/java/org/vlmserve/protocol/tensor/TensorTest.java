package org.vlmserve.protocol.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class TensorTest {

    @Test
    void refusesBytesThatContradictTheShape() {
        assertThatThrownBy(() -> new Tensor(DType.F32, new int[] {2, 3}, ByteBuffer.allocate(20)))
                .hasMessageContaining("[2, 3]")
                .hasMessageContaining("24 bytes, got 20");
        assertThatThrownBy(() -> new Tensor(DType.U8, new int[] {-1, -1}, ByteBuffer.allocate(1)))
                .hasMessageContaining("negative dimension");
    }

    @Test
    void holdsFloatsLittleEndian() {
        Tensor tensor = Tensor.ofFloats(new float[] {1, 2, 3, 4, 5, 6}, 3, 2);
        assertThat(tensor.toFloats()).containsExactly(1, 2, 3, 4, 5, 6);
        assertThat(tensor.data().get(3)).as("sign and exponent come last").isEqualTo((byte) 0x3F);
        assertThat(tensor.byteSize()).isEqualTo(24);
        assertThat(tensor.rank()).isEqualTo(2);
        assertThat(tensor.dim(0)).isEqualTo(3);
    }

    @Test
    void rowsShareTheBytes() {
        Tensor rows = Tensor.ofFloats(new float[] {1, 2, 3, 4, 5, 6}, 3, 2).rows(1, 3);
        assertThat(rows.shape()).containsExactly(2, 2);
        assertThat(rows.toFloats()).containsExactly(3, 4, 5, 6);
        assertThat(rows.rows(2, 2).byteSize()).isZero();
    }

    @Test
    void readsABufferFromItsPositionToItsLimit() {
        ByteBuffer bytes = ByteBuffer.wrap(new byte[] {0, 7, 8, 0}).position(1).limit(3);
        Tensor tensor = new Tensor(DType.U8, new int[] {2}, bytes);
        assertThat(tensor.data().get(0)).isEqualTo((byte) 7);
        assertThat(tensor).isEqualTo(new Tensor(DType.U8, new int[] {2}, ByteBuffer.wrap(new byte[] {7, 8})));
        assertThat(tensor).isNotEqualTo(new Tensor(DType.U8, new int[] {1, 2}, ByteBuffer.wrap(new byte[] {7, 8})));
    }

    @Test
    void givesFloatsOfFloatTensorsOnly() {
        Tensor bytes = new Tensor(DType.U8, new int[] {4}, ByteBuffer.allocate(4));
        assertThatThrownBy(bytes::toFloats).hasMessageContaining("U8").hasMessageContaining("expected F32");
    }

    @ParameterizedTest
    @EnumSource
    void aTypeIsFoundByItsCode(DType type) {
        assertThat(DType.ofCode(type.code())).isSameAs(type);
    }

    @Test
    void anUnknownTypeIsRefused() {
        assertThatThrownBy(() -> DType.ofCode(0)).hasMessageContaining("code 0");
    }
}
