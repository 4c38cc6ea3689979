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
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * The integer products that graphs ask for, each with a packaged graph y [rows, COLUMNS] = x [rows, DEPTH] · W of which plain Java
 * knows every result: activations are such that rounding them to 8 bits loses nothing, and some rows and columns hold nothing but
 * the largest and the smallest values, whose products overflow wherever anything can.
 *
 * <p>Whether a product is right depends on the processor alone. Computing one may end the process: see {@link KernelCheck}.
 */
enum Kernel {
    /** {@code MatMulIntegerToFloat} on weights as bundles keep them. */
    ROWWISE_SIGNED("rowwise-int8-check.onnx", 8, false),
    /** The same with ONNX Runtime's rewriting of weights to unsigned bytes. */
    ROWWISE_UNSIGNED("rowwise-int8-check.onnx", 8, true),
    /** {@code MatMulNBits}, 8 bits. */
    BLOCK_INT8("block-int8-check.onnx", 8, false),
    /** {@code MatMulNBits}, 4 bits. */
    BLOCK_INT4("block-int4-check.onnx", 4, false);

    /** Inner dimension K: neither a multiple of a block nor of a vector. */
    static final int DEPTH = 148;

    /** Output channels N, likewise. */
    static final int COLUMNS = 51;

    static final int BLOCK = 32;
    static final float SCALE = 0.01f;
    static final String UNSIGNED_WEIGHTS = "session.x64quantprecision";

    /** Kernels differ for one row, for few, and for whole tiles with a rest. */
    private static final int[] ROW_COUNTS = {1, 3, 67};

    private static final float RELATIVE = 1e-5f;

    private final String graph;
    private final int bits;
    private final boolean unsigned;

    Kernel(String graph, int bits, boolean unsigned) {
        this.graph = graph;
        this.bits = bits;
        this.unsigned = unsigned;
    }

    /** The packaged graph's name, beside this class. */
    String graph() {
        return graph;
    }

    byte[] model() {
        try (InputStream in =
                Objects.requireNonNull(Kernel.class.getResourceAsStream(graph), graph + " is not packaged")) {
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Computes the product here and compares it. On some processors a kernel or its preparation ends the process instead. */
    boolean isRight(byte[] model) {
        try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
            options.setIntraOpNumThreads(1);
            if (unsigned) {
                options.addConfigEntry(UNSIGNED_WEIGHTS, "1");
            }
            try (OrtSession session = Sessions.environment().createSession(model, options)) {
                for (int rows : ROW_COUNTS) {
                    if (!isRight(session, rows)) {
                        return false;
                    }
                }
                return true;
            }
        } catch (OrtException e) {
            throw new VlmException(ErrorCode.INTERNAL, this + " cannot be checked: " + e.getMessage(), e);
        }
    }

    private boolean isRight(OrtSession session, int rows) throws OrtException {
        FloatBuffer x = ByteBuffer.allocateDirect(rows * DEPTH * Float.BYTES)
                .order(ByteOrder.nativeOrder())
                .asFloatBuffer();
        for (int row = 0; row < rows; row++) {
            for (int k = 0; k < DEPTH; k++) {
                x.put(activation(row, k) * step(row));
            }
        }
        try (OnnxTensor given = OnnxTensor.createTensor(Sessions.environment(), x.flip(), new long[] {rows, DEPTH});
                OrtSession.Result result = session.run(Map.of("x", given))) {
            float[][] actual = (float[][]) result.get(0).getValue();
            for (int row = 0; row < rows; row++) {
                for (int n = 0; n < COLUMNS; n++) {
                    double expected = product(row, n);
                    if (!(Math.abs(actual[row][n] - expected) <= RELATIVE * magnitude(row, n))) {
                        return false;
                    }
                }
            }
            return true;
        }
    }

    /** What row {@code row}'s activations are multiples of. Blocks keep the rows' own sizes; whole numbers lose nothing there. */
    private float step(int row) {
        return this == BLOCK_INT8 || this == BLOCK_INT4 ? 1 : (row + 1) / 64f;
    }

    /**
     * The whole number, at most 127 in magnitude, that element [row, k] of x stands for: a row of the largest, one of the smallest,
     * then mixed ones. Each run of {@link #BLOCK} holds a 127, so that both a row's and a block's 8 bits represent it exactly.
     */
    static int activation(int row, int k) {
        return switch (row % 3) {
            case 0 -> 127;
            case 1 -> -127;
            default -> k % BLOCK == 0 ? 127 : (k * 37 + row * 11) % 255 - 127;
        };
    }

    /** Element [k, n] of W, in steps of {@link #SCALE}: a column of the largest value, one of the smallest, the others mixed. */
    static int weight(int bits, int k, int n) {
        int largest = (1 << (bits - 1)) - 1;
        return n == 0 ? largest : n == 1 ? -largest : (k * 89 + n * 53) % (2 * largest + 1) - largest;
    }

    /** Element [row, n] of y by definition. */
    double product(int row, int n) {
        long sum = 0;
        for (int k = 0; k < DEPTH; k++) {
            sum += (long) activation(row, k) * weight(bits, k, n);
        }
        return (double) sum * SCALE * step(row);
    }

    /** What the terms of {@link #product} add up to without their signs. */
    private double magnitude(int row, int n) {
        long sum = 0;
        for (int k = 0; k < DEPTH; k++) {
            sum += Math.abs((long) activation(row, k) * weight(bits, k, n));
        }
        return (double) sum * SCALE * step(row);
    }
}
