package org.vlmserve.onnx;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * Whether this processor multiplies per-token 8-bit activations with 8-bit weights as arithmetic says. x86 without VNNI adds
 * products in pairs of 16 bits, which overflow. One product with extreme values is compared with a plain loop, once a process;
 * where it differs, ONNX Runtime's own remedy (weights as unsigned bytes) is tried in the same way.
 */
final class RowwiseInt8Check {

    /** The operator that only such graphs hold. */
    static final String OPERATOR = "MatMulIntegerToFloat";

    static final String GRAPH = "rowwise-int8-check.onnx";
    static final int ROWS = 3;
    static final int DEPTH = 128;
    static final int COLUMNS = 48;
    static final float SCALE = 0.01f;
    private static final String UNSIGNED_WEIGHTS = "session.x64quantprecision";

    /** What a session needs on this processor: nothing, the remedy, or null where neither is right. */
    private static final class Remedy {
        static final Optional<Boolean> UNSIGNED = find();

        private static Optional<Boolean> find() {
            if (matches(false)) {
                return Optional.of(false);
            }
            return matches(true) ? Optional.of(true) : Optional.empty();
        }
    }

    private RowwiseInt8Check() {}

    /** @throws VlmException {@code BUNDLE_CORRUPT} on a processor that computes such graphs wrongly */
    static void configure(OrtSession.SessionOptions session) throws OrtException {
        boolean unsigned = Remedy.UNSIGNED.orElseThrow(
                () -> new VlmException(
                        ErrorCode.BUNDLE_CORRUPT,
                        "this processor's 8-bit products overflow (" + System.getProperty("os.arch")
                                + " without VNNI), so an int8 bundle would answer wrongly; import with --precision int4 or fp32"));
        if (unsigned) {
            session.addConfigEntry(UNSIGNED_WEIGHTS, "1");
        }
    }

    private static boolean matches(boolean unsigned) {
        float[] x = activations();
        float[] expected = product(x);
        FloatBuffer input = ByteBuffer.allocateDirect(x.length * Float.BYTES)
                .order(ByteOrder.nativeOrder())
                .asFloatBuffer()
                .put(x)
                .flip();
        try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
            options.setIntraOpNumThreads(1);
            if (unsigned) {
                options.addConfigEntry(UNSIGNED_WEIGHTS, "1");
            }
            try (OrtSession session = Sessions.environment().createSession(graph(), options);
                    OnnxTensor given =
                            OnnxTensor.createTensor(Sessions.environment(), input, new long[] {ROWS, DEPTH});
                    OrtSession.Result result = session.run(Map.of("x", given))) {
                float[][] actual = (float[][]) result.get(0).getValue();
                for (int i = 0; i < expected.length; i++) {
                    float value = actual[i / COLUMNS][i % COLUMNS];
                    if (Math.abs(value - expected[i]) > 1e-4f * Math.abs(expected[i]) + 1e-3f) {
                        return false;
                    }
                }
                return true;
            }
        } catch (OrtException e) {
            throw new VlmException(ErrorCode.INTERNAL, "the 8-bit product cannot be checked: " + e.getMessage(), e);
        }
    }

    private static byte[] graph() {
        try (InputStream in =
                Objects.requireNonNull(RowwiseInt8Check.class.getResourceAsStream(GRAPH), GRAPH + " is not packaged")) {
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** [ROWS, DEPTH]: all at the top, all at the bottom, and mixed. */
    static float[] activations() {
        float[] x = new float[ROWS * DEPTH];
        for (int k = 0; k < DEPTH; k++) {
            x[k] = 2f;
            x[DEPTH + k] = -3f;
            x[2 * DEPTH + k] = (k * 37 % 101 - 50) / 25f;
        }
        return x;
    }

    /** [DEPTH, COLUMNS]: a column of largest, one of smallest values, the others mixed. */
    static byte weight(int k, int n) {
        return (byte) (n == 0 ? 127 : n == 1 ? -127 : (k * 89 + n * 53) % 255 - 127);
    }

    /** [ROWS, COLUMNS], by the definition: per row, round(x / max|x| · 127) times the weights, scaled back. */
    static float[] product(float[] x) {
        float[] y = new float[ROWS * COLUMNS];
        for (int row = 0; row < ROWS; row++) {
            float largest = 0;
            for (int k = 0; k < DEPTH; k++) {
                largest = Math.max(largest, Math.abs(x[row * DEPTH + k]));
            }
            for (int n = 0; n < COLUMNS; n++) {
                long sum = 0;
                for (int k = 0; k < DEPTH; k++) {
                    sum += (long) Math.rint(x[row * DEPTH + k] / largest * 127) * weight(k, n);
                }
                y[row * COLUMNS + n] = sum * SCALE * largest / 127;
            }
        }
        return y;
    }
}
