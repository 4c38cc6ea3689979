package org.vlmserve.importer.graph;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.onnx.proto.OnnxMl.ModelProto;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.BiFunction;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vlmserve.importer.checkpoint.ArrayMatrix;
import org.vlmserve.importer.checkpoint.MatrixSource;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.onnx.OnnxModel;
import org.vlmserve.protocol.tensor.Tensor;

@Tag("processor")
class BlocksTest {

    @TempDir
    Path directory;

    /** z = (1, 0, 2) through W1, erf GELU and W2, whose transpose would give (4.9505, −1.0415). */
    @Test
    void linearLayersApplyACheckpointsWeightAsItIsMeant() throws IOException {
        MatrixSource first = new ArrayMatrix(2, 3, 1, 0, 1, 0, 1, 1);
        MatrixSource second = new ArrayMatrix(2, 2, 1, -1, 1, 1);
        float[] y = run(Tensor.ofFloats(new float[] {1, 0, 2}, 1, 3), (graph, x) -> {
            Linear linear = new Linear(graph);
            Value hidden = linear.apply("first", x, first, WeightFormat.FP32);
            Value bias = linear.vector("bias", new ArrayMatrix(2, 1, 0, 0));
            Value activated = graph.microsoft("gelu", "BiasGelu", hidden, bias).output();
            return linear.apply("second", activated, second, WeightFormat.FP32);
        });
        assertThat(y[0]).isCloseTo(1.0415f, within(1e-4f));
        assertThat(y[1]).isCloseTo(4.9505f, within(1e-4f));
    }

    /** K = 70 and 33 fill no block; N = 17 and 5 no register. */
    @ParameterizedTest
    @CsvSource({
        "FP32, 64, 48, 1e-6",
        "FP32, 70, 17, 1e-6",
        "ROWWISE_INT8, 64, 48, 0.015",
        "ROWWISE_INT8, 70, 17, 0.015",
        "ROWWISE_INT8, 33, 5, 0.02",
        "BLOCK_INT8, 64, 48, 0.015",
        "BLOCK_INT8, 70, 17, 0.015",
        "BLOCK_INT8, 33, 5, 0.02",
        "BLOCK_INT4, 64, 48, 0.13",
        "BLOCK_INT4, 70, 17, 0.13",
        "BLOCK_INT4, 320, 96, 0.1"
    })
    void everyFormatIsNearTheExactProduct(WeightFormat format, int k, int n, double tolerance) throws IOException {
        SplittableRandom random = new SplittableRandom(3);
        int rows = 9;
        float[] x = gaussian(random, rows * k);
        float[] w = gaussian(random, n * k);
        float[] bias = gaussian(random, n);
        float[] y = run(
                Tensor.ofFloats(x, rows, k),
                (graph, input) -> new Linear(graph)
                        .apply("layer", input, new ArrayMatrix(n, k, w), new ArrayMatrix(n, 1, bias), format));
        double error = 0;
        double size = 0;
        for (int row = 0; row < rows; row++) {
            for (int o = 0; o < n; o++) {
                double exact = 0;
                for (int i = 0; i < k; i++) {
                    exact += (double) x[row * k + i] * w[o * k + i];
                }
                error += Math.pow(y[row * n + o] - exact - bias[o], 2);
                size += exact * exact;
            }
        }
        assertThat(Math.sqrt(error / size)).isLessThan(tolerance);
    }

    @Test
    void rowwiseInt8IsItsDefinition() throws IOException {
        SplittableRandom random = new SplittableRandom(5);
        int k = 96;
        int n = 33;
        float[] x = gaussian(random, 4 * k);
        Arrays.fill(x, 2 * k, 3 * k, 0);
        float[] w = gaussian(random, n * k);
        Arrays.fill(w, 7 * k, 8 * k, 0);
        float[] y = rowwise(x, 4, w, n, k);
        for (int row = 0; row < 4; row++) {
            float m = 0;
            for (int i = 0; i < k; i++) {
                m = Math.max(m, Math.abs(x[row * k + i]));
            }
            for (int o = 0; o < n; o++) {
                float largest = 0;
                for (int i = 0; i < k; i++) {
                    largest = Math.max(largest, Math.abs(w[o * k + i]));
                }
                float scale = largest == 0 ? 1 : largest / 127;
                long sum = 0;
                for (int i = 0; i < k; i++) {
                    sum += (long) (m == 0 ? 0 : Math.rint(x[row * k + i] / m * 127))
                            * (long) Math.rint(w[o * k + i] / scale);
                }
                assertThat(y[row * n + o]).isCloseTo(sum * scale * m / 127, within(1e-3f));
            }
        }
        assertThat(Arrays.copyOfRange(y, 2 * n, 3 * n)).containsOnly(0f);
    }

    /** A channel that is 64 times as large and says as much as the others: 1023 of 1024 are lost in its rounding, or 31. */
    @Test
    void anOutlierCostsItsBlockAlone() throws IOException {
        SplittableRandom random = new SplittableRandom(9);
        int rows = 9;
        int n = 48;
        int k = 1024;
        float[] x = gaussian(random, rows * k);
        float[] w = gaussian(random, n * k);
        for (int row = 0; row < rows; row++) {
            x[row * k + 5] = row % 2 == 0 ? 64 : -64;
        }
        for (int row = 0; row < n; row++) {
            w[row * k + 5] /= 64;
        }
        float[] exact = product(x, rows, w, n, k, WeightFormat.FP32);
        float[] whole = product(x, rows, w, n, k, WeightFormat.ROWWISE_INT8);
        float[] blocks = product(x, rows, w, n, k, WeightFormat.BLOCK_INT8);
        assertThat(relativeError(whole, exact)).isBetween(0.1, 0.2);
        assertThat(relativeError(blocks, exact)).isLessThan(0.04);
    }

    @Test
    void aRowwiseRowIsTheSameAloneAndInABatch() throws IOException {
        SplittableRandom random = new SplittableRandom(6);
        int k = 200;
        int n = 64;
        float[] x = gaussian(random, 7 * k);
        x[3] = 1000;
        float[] w = gaussian(random, n * k);
        float[] together = rowwise(x, 7, w, n, k);
        for (int row = 0; row < 7; row++) {
            float[] alone = rowwise(Arrays.copyOfRange(x, row * k, (row + 1) * k), 1, w, n, k);
            assertThat(alone).containsExactly(Arrays.copyOfRange(together, row * n, (row + 1) * n));
        }
    }

    @Test
    void aValueIsQuantisedOnce() throws IOException {
        OnnxGraph graph = new OnnxGraph("test", new WeightFile("weights.bin"));
        Value x = graph.input("x", ElementType.FLOAT, Axis.of("N"), Axis.of(4));
        Linear linear = new Linear(graph);
        linear.apply("a", x, new ArrayMatrix(2, 4, new float[8]), WeightFormat.ROWWISE_INT8);
        linear.apply("b", x, new ArrayMatrix(3, 4, new float[12]), WeightFormat.ROWWISE_INT8);
        var nodes = ModelProto.parseFrom(graph.serialize()).getGraph().getNodeList();
        assertThat(nodes.stream().filter(node -> node.getOpType().equals("QuantizeLinear")))
                .hasSize(1);
        assertThat(nodes.stream().filter(node -> node.getOpType().equals("MatMulIntegerToFloat")))
                .hasSize(2);
    }

    @Test
    void namesAreUniqueAndSizesAgree() {
        OnnxGraph graph = new OnnxGraph("test", new WeightFile("weights.bin"));
        graph.input("x", ElementType.FLOAT, Axis.of(4));
        assertThatThrownBy(() -> graph.input("x", ElementType.FLOAT, Axis.of(4)))
                .hasMessageContaining("two values named x");
        assertThatThrownBy(() ->
                        graph.weight("w", ElementType.FLOAT, WeightData.plain(new ArrayMatrix(2, 2, 1, 2, 3, 4)), 5))
                .hasMessageContaining("16 bytes, expected 20");
    }

    private float[] rowwise(float[] x, int rows, float[] w, int n, int k) throws IOException {
        return product(x, rows, w, n, k, WeightFormat.ROWWISE_INT8);
    }

    private float[] product(float[] x, int rows, float[] w, int n, int k, WeightFormat format) throws IOException {
        return run(
                Tensor.ofFloats(x, rows, k),
                (graph, input) -> new Linear(graph).apply("layer", input, new ArrayMatrix(n, k, w), format));
    }

    private static double relativeError(float[] values, float[] exact) {
        double error = 0;
        double size = 0;
        for (int i = 0; i < exact.length; i++) {
            error += Math.pow(values[i] - exact[i], 2);
            size += (double) exact[i] * exact[i];
        }
        return Math.sqrt(error / size);
    }

    /** Runs the graph that {@code build} makes of its input x [N, K]. */
    private float[] run(Tensor x, BiFunction<OnnxGraph, Value, Value> build) throws IOException {
        Path here = Files.createTempDirectory(directory, "graph");
        OnnxGraph graph = new OnnxGraph("test", new WeightFile("weights.bin"));
        Value input = graph.input("x", ElementType.FLOAT, Axis.of("N"), Axis.of(x.dim(1)));
        Value y = graph.node("identity", "Identity", build.apply(graph, input))
                .outputs("y")
                .getFirst();
        graph.output(y, ElementType.FLOAT, Axis.of("N"), Axis.of("M"));
        try (ExecutorService workers = Executors.newFixedThreadPool(2);
                FileChannel out = FileChannel.open(
                        here.resolve("weights.bin"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            graph.weights().write((data, offset) -> out.write(data, offset), workers, bytes -> {});
        }
        Files.write(here.resolve("graph.onnx"), graph.serialize());
        try (OnnxModel model = OnnxModel.load(here.resolve("graph.onnx"), EngineOptions.ofThreads(1))) {
            return Objects.requireNonNull(model.run(Map.of("x", x)).get("y")).toFloats();
        }
    }

    private static float[] gaussian(SplittableRandom random, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
