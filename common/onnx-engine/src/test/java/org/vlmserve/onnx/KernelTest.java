package org.vlmserve.onnx;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Tag("processor")
class KernelTest {

    @ParameterizedTest
    @EnumSource
    void thePackagedGraphIsTheOneBuiltHere(Kernel kernel) {
        assertThat(kernel.model()).isEqualTo(TestGraphs.kernelCheck(kernel));
    }

    /** The expected values reach far beyond what pairs of 16 bits can hold, or the check would prove nothing. */
    @Test
    void theExtremeProductOverflowsSixteenBits() {
        assertThat(2 * 255 * Kernel.weight(8, 0, 0)).isGreaterThan(Short.MAX_VALUE);
        assertThat(Kernel.ROWWISE_SIGNED.product(0, 0)).isEqualTo(127.0 * 127 * Kernel.DEPTH * Kernel.SCALE / 64);
    }

    /** A check that accepted any result could not tell a right kernel from a wrong one. */
    @Test
    void anotherProductIsNotRight() {
        assertThat(Kernel.BLOCK_INT4.isRight(Kernel.BLOCK_INT8.model())).isFalse();
    }
}
