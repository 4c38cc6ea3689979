package org.vlmserve.onnx;

import static org.assertj.core.api.Assertions.assertThat;

import ai.onnxruntime.OrtSession;
import java.io.InputStream;
import java.util.Objects;
import org.junit.jupiter.api.Test;

class RowwiseInt8CheckTest {

    @Test
    void thePackagedGraphIsTheOneBuiltHere() throws Exception {
        try (InputStream packaged = RowwiseInt8Check.class.getResourceAsStream(RowwiseInt8Check.GRAPH)) {
            assertThat(Objects.requireNonNull(packaged).readAllBytes()).isEqualTo(TestGraphs.rowwiseInt8Check());
        }
    }

    @Test
    void thisProcessorPassesAsItIsOrWithTheRemedy() throws Exception {
        try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
            RowwiseInt8Check.configure(options);
        }
    }

    /** The expected values reach far beyond what pairs of 16 bits can hold, or the check would prove nothing. */
    @Test
    void theExtremeProductWouldOverflowSixteenBits() {
        float[] product = RowwiseInt8Check.product(RowwiseInt8Check.activations());
        assertThat(product[0]).isEqualTo(127 * 127 * 128 * RowwiseInt8Check.SCALE * 2 / 127);
        assertThat(2 * 255 * 127).isGreaterThan(Short.MAX_VALUE);
    }
}
