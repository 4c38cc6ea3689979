package org.vlmserve.importer.graph;

import static org.assertj.core.api.Assertions.assertThat;

import ai.onnx.proto.OnnxMl.AttributeProto;
import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.DoubleUnaryOperator;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.importer.ImportOptions;
import org.vlmserve.importer.Importer;
import org.vlmserve.importer.Precision;
import org.vlmserve.importer.ProgressListener;
import org.vlmserve.importer.checkpoint.ArrayMatrix;
import org.vlmserve.importer.checkpoint.MatrixSource;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.onnx.GraphContract;
import org.vlmserve.onnx.Int8Weights;
import org.vlmserve.onnx.OnnxModel;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;
import org.vlmserve.testing.GoldenCheckpoint;
import org.vlmserve.testing.Goldens;

/**
 * Every operator that an import emits, in small graphs of the blocks that emit it, against plain Java. ONNX Runtime picks its code by
 * the processor, so these tests also run on emulated ones: see docs/processors.md.
 */
@Tag("processor")
class OperatorsTest {

    /** Sums of a hundred terms of size 1 in another order, and exponentials from polynomials. */
    private static final double TOLERANCE = 3e-5;

    private static final int ROWS = 5;
    private static final int WIDTH = 24;
    private static final int HEADS = 4;
    private static final int KV_HEADS = 2;
    private static final int HEAD = 16;
    private static final int ROOM = 8;

    @TempDir
    Path directory;

    /**
     * A graph and what it must give.
     *
     * @param build declares the graph's outputs
     * @param expected by the outputs' names, row-major
     */
    private record Check(
            String name, Function<OnnxGraph, Void> build, Map<String, Tensor> inputs, Map<String, double[]> expected) {

        OnnxGraph graph() {
            OnnxGraph graph = new OnnxGraph(name, new WeightFile("weights.bin"));
            build.apply(graph);
            return graph;
        }

        @Override
        public String toString() {
            return name;
        }
    }

    static List<Check> checks() {
        List<Check> checks = new ArrayList<>();
        for (WeightFormat format : WeightFormat.values()) {
            checks.add(product(format, 148, 51, 1));
            checks.add(product(format, 148, 51, 67));
        }
        checks.add(layerNorm());
        checks.add(rmsNorm());
        checks.add(activations());
        checks.add(rows());
        checks.add(plainRotary());
        checks.add(multimodalRotary());
        checks.add(patchAttention());
        checks.add(cachedAttention("prefill", 0, 5, Integer.MAX_VALUE));
        checks.add(cachedAttention("prefill behind a past", 2, 5, Integer.MAX_VALUE));
        checks.add(cachedAttention("step", 6, 1, Integer.MAX_VALUE));
        checks.add(cachedAttention("prefill in a window", 2, 5, 3));
        checks.add(prefixAttention("prefix", 0, 5, 0, PrefixAttention.UNBOUNDED));
        checks.add(prefixAttention("prefix with a cap", 0, 5, 3, PrefixAttention.UNBOUNDED));
        checks.add(prefixAttention("step behind a prefix in a window", 6, 1, 3, 4));
        return checks;
    }

    @ParameterizedTest
    @MethodSource("checks")
    void aBlockIsWhatPlainJavaMakesOfIt(Check check) throws IOException {
        check(check, Int8Weights.AUTO);
    }

    /** What x86 without VNNI needs is right wherever it runs. */
    @ParameterizedTest
    @MethodSource("checks")
    void aBlockIsTheSameWithUnsignedWeights(Check check) throws IOException {
        check(check, Int8Weights.UNSIGNED);
    }

    @Test
    @Tag("slow-when-emulated")
    void everyOperatorThatIsEmittedIsChecked() throws IOException {
        Set<String> checked = new TreeSet<>();
        for (Check check : checks()) {
            operators(ModelProto.parseFrom(check.graph().serialize()).getGraph(), checked);
        }
        Set<String> emitted = new TreeSet<>();
        for (GoldenCheckpoint checkpoint : Goldens.find().checkpoints()) {
            for (Precision precision : Precision.values()) {
                Bundle bundle = Importer.importCheckpoint(
                        checkpoint.directory(),
                        directory.resolve(checkpoint.family() + checkpoint.name() + precision),
                        ImportOptions.of(precision, checkpoint.visionTower()),
                        ProgressListener.SILENT);
                for (Path graph : List.of(bundle.encoderGraph(), bundle.projectorGraph(), bundle.decoderGraph())) {
                    operators(ModelProto.parseFrom(Files.readAllBytes(graph)).getGraph(), emitted);
                }
            }
        }
        assertThat(emitted).contains("MatMulIntegerToFloat", "MatMulNBits 8", "MatMulNBits 4", "Scan");
        assertThat(checked).containsAll(emitted);
    }

    /** The engine looks for the formats' names in a graph's metadata. */
    @Test
    void theEngineKnowsEachFormatThatIsNotFloat() {
        assertThat(Arrays.stream(WeightFormat.values())
                        .filter(format -> format != WeightFormat.FP32)
                        .map(Enum::name))
                .containsExactlyInAnyOrderElementsOf(Arrays.stream(GraphContract.Product.values())
                        .map(Enum::name)
                        .toList());
    }

    private static void operators(GraphProto graph, Set<String> found) {
        for (NodeProto node : graph.getNodeList()) {
            String bits = "";
            for (AttributeProto attribute : node.getAttributeList()) {
                if (attribute.hasG()) {
                    operators(attribute.getG(), found);
                }
                if (attribute.getName().equals("bits")) {
                    bits = " " + attribute.getI();
                }
            }
            found.add(node.getOpType() + bits);
        }
    }

    private void check(Check check, Int8Weights int8Weights) throws IOException {
        Path here = Files.createTempDirectory(directory, "graph");
        OnnxGraph graph = check.graph();
        try (ExecutorService workers = Executors.newFixedThreadPool(1);
                FileChannel out = FileChannel.open(
                        here.resolve("weights.bin"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            graph.weights().write((data, offset) -> out.write(data, offset), workers, bytes -> {});
        }
        Path file = Files.write(here.resolve("graph.onnx"), graph.serialize());
        EngineOptions options = EngineOptions.ofThreads(1).withInt8Weights(int8Weights);
        try (OnnxModel model = OnnxModel.load(file, options)) {
            Map<String, Tensor> outputs = model.run(check.inputs());
            check.expected().forEach((name, expected) -> {
                float[] actual = Objects.requireNonNull(outputs.get(name)).toFloats();
                assertThat(actual).as(name).hasSameSizeAs(expected);
                for (int i = 0; i < actual.length; i++) {
                    double allowed = TOLERANCE * Math.max(1, Math.abs(expected[i]));
                    assertThat(Math.abs(actual[i] - expected[i]))
                            .as("%s[%d] is %s, by definition %s", name, i, actual[i], expected[i])
                            .isLessThanOrEqualTo(allowed);
                }
            });
        }
    }

    /** Whole numbers that every format keeps as they are, at the ends of its range, so that the product is exact or wrong. */
    private static Check product(WeightFormat format, int depth, int columns, int count) {
        int top = switch (format) {
            case FP32, ROWWISE_INT8 -> 127;
            case BLOCK_INT8 -> -128;
            case BLOCK_INT4 -> -8;
        };
        int range = Math.abs(top) - (top < 0 ? 1 : 0);
        float[] w = new float[columns * depth];
        for (int n = 0; n < columns; n++) {
            for (int k = 0; k < depth; k++) {
                w[n * depth + k] =
                        n == 0 || k % 32 == 0 ? top : n == 1 ? range : (k * 89 + n * 53) % (2 * range) - range;
            }
        }
        float[] x = new float[count * depth];
        for (int row = 0; row < count; row++) {
            for (int k = 0; k < depth; k++) {
                int value = row % 3 == 0 || k % 32 == 0 ? 127 : row % 3 == 1 ? -127 : (k * 37 + row * 11) % 255 - 127;
                x[row * depth + k] = value / 64f;
            }
        }
        double[] y = new double[count * columns];
        for (int row = 0; row < count; row++) {
            for (int n = 0; n < columns; n++) {
                for (int k = 0; k < depth; k++) {
                    y[row * columns + n] += (double) x[row * depth + k] * w[n * depth + k];
                }
            }
        }
        return new Check(
                format + " product of " + count,
                graph -> {
                    Value in = graph.input("x", ElementType.FLOAT, Axis.of("N"), Axis.of(depth));
                    return output(
                            graph,
                            "y",
                            new Linear(graph).apply("layer", in, new ArrayMatrix(columns, depth, w), format),
                            columns);
                },
                Map.of("x", Tensor.ofFloats(x, count, depth)),
                Map.of("y", y));
    }

    private static Check layerNorm() {
        SplittableRandom random = new SplittableRandom(2);
        float[] x = gaussian(random, ROWS * WIDTH);
        float[] delta = gaussian(random, ROWS * WIDTH);
        float[] weight = gaussian(random, WIDTH);
        float[] bias = gaussian(random, WIDTH);
        float[] deltaBias = gaussian(random, WIDTH);
        float[] sum = new float[x.length];
        for (int i = 0; i < x.length; i++) {
            sum[i] = x[i] + delta[i] + deltaBias[i % WIDTH];
        }
        return new Check(
                "LayerNorm",
                graph -> {
                    Value in = graph.input("x", ElementType.FLOAT, Axis.of(1), Axis.of("N"), Axis.of(WIDTH));
                    Value added = graph.input("delta", ElementType.FLOAT, Axis.of(1), Axis.of("N"), Axis.of(WIDTH));
                    Linear linear = new Linear(graph);
                    LayerNorm norm = new LayerNorm(graph, linear, 1e-6);
                    output(graph, "y", norm.apply("first", in, vector(weight), vector(bias)), WIDTH);
                    Normalized after = norm.applyAfter(
                            "second",
                            in,
                            added,
                            linear.vector("bias", vector(deltaBias)),
                            vector(weight),
                            vector(bias));
                    output(graph, "after", after.values(), WIDTH);
                    return output(graph, "residual", after.residual(), WIDTH);
                },
                Map.of("x", Tensor.ofFloats(x, 1, ROWS, WIDTH), "delta", Tensor.ofFloats(delta, 1, ROWS, WIDTH)),
                Map.of(
                        "y", normalized(x, weight, bias),
                        "after", normalized(sum, weight, bias),
                        "residual", doubles(sum)));
    }

    private static Check rmsNorm() {
        SplittableRandom random = new SplittableRandom(3);
        float[] x = gaussian(random, ROWS * WIDTH);
        float[] delta = gaussian(random, ROWS * WIDTH);
        float[] weight = gaussian(random, WIDTH);
        float[] sum = new float[x.length];
        for (int i = 0; i < x.length; i++) {
            sum[i] = x[i] + delta[i];
        }
        return new Check(
                "RmsNorm",
                graph -> {
                    Value in = graph.input("x", ElementType.FLOAT, Axis.of("B"), Axis.of("S"), Axis.of(WIDTH));
                    Value added = graph.input("delta", ElementType.FLOAT, Axis.of("B"), Axis.of("S"), Axis.of(WIDTH));
                    RmsNorm norm = new RmsNorm(graph, new Linear(graph), 1e-6);
                    output(graph, "y", norm.apply("first", in, vector(weight)), WIDTH);
                    Normalized after = norm.applyAfter("second", in, added, vector(weight));
                    output(graph, "after", after.values(), WIDTH);
                    output(graph, "last", norm.applyLast("third", in, added, vector(weight)), WIDTH);
                    return output(graph, "residual", after.residual(), WIDTH);
                },
                Map.of("x", Tensor.ofFloats(x, 1, ROWS, WIDTH), "delta", Tensor.ofFloats(delta, 1, ROWS, WIDTH)),
                Map.of(
                        "y", normalized(x, weight, null),
                        "after", normalized(sum, weight, null),
                        "last", normalized(sum, weight, null),
                        "residual", doubles(sum)));
    }

    /** With a bias: LayerNorm. Without: RMS. */
    private static double[] normalized(float[] x, float[] weight, float @Nullable [] bias) {
        double[] y = new double[x.length];
        for (int from = 0; from < x.length; from += WIDTH) {
            double mean = 0;
            for (int i = 0; bias != null && i < WIDTH; i++) {
                mean += (double) x[from + i] / WIDTH;
            }
            double square = 0;
            for (int i = 0; i < WIDTH; i++) {
                square += Math.pow(x[from + i] - mean, 2) / WIDTH;
            }
            for (int i = 0; i < WIDTH; i++) {
                y[from + i] =
                        (x[from + i] - mean) / Math.sqrt(square + 1e-6) * weight[i] + (bias == null ? 0 : bias[i]);
            }
        }
        return y;
    }

    private static Check activations() {
        Map<String, DoubleUnaryOperator> functions = Map.of(
                "GELU", OperatorsTest::gelu,
                "GELU_TANH", z -> z / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * Math.pow(z, 3)))),
                "QUICK_GELU", z -> z / (1 + Math.exp(-1.702f * z)),
                "SILU", z -> z / (1 + Math.exp(-z)));
        float[] x = new float[ROWS * WIDTH];
        for (int i = 0; i < x.length; i++) {
            x[i] = (i - x.length / 2) / 10f;
        }
        float[] bias = gaussian(new SplittableRandom(4), WIDTH);
        Map<String, double[]> expected = new HashMap<>();
        functions.forEach((name, function) ->
                expected.put(name, Arrays.stream(doubles(x)).map(function).toArray()));
        double[] biased = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            biased[i] = gelu(x[i] + bias[i % WIDTH]);
        }
        expected.put("biased", biased);
        return new Check(
                "activations",
                graph -> {
                    Value in = graph.input("x", ElementType.FLOAT, Axis.of("N"), Axis.of(WIDTH));
                    for (Activation activation : Activation.values()) {
                        output(graph, activation.name(), activation.apply(graph, "act/" + activation, in), WIDTH);
                    }
                    Value vector = new Linear(graph).vector("bias", vector(bias));
                    return output(
                            graph,
                            "biased",
                            graph.microsoft("gelu", "BiasGelu", in, vector).output(),
                            WIDTH);
                },
                Map.of("x", Tensor.ofFloats(x, ROWS, WIDTH)),
                expected);
    }

    private static double gelu(double z) {
        return z / 2 * (1 + erf(z / Math.sqrt(2)));
    }

    /** By its series, and by 1 where nothing is left of the rest. */
    private static double erf(double z) {
        if (Math.abs(z) > 5) {
            return Math.signum(z);
        }
        double term = z;
        double sum = z;
        for (int n = 1; n < 200; n++) {
            term *= -z * z / n;
            sum += term / (2 * n + 1);
        }
        return 2 / Math.sqrt(Math.PI) * sum;
    }

    /** What chooses, joins and moves rows around the layers. */
    private static Check rows() {
        float[] x = gaussian(new SplittableRandom(5), ROWS * WIDTH);
        float[] first = gaussian(new SplittableRandom(6), WIDTH);
        double[] gathered = new double[2 * WIDTH];
        double[] joined = new double[ROWS * WIDTH];
        for (int i = 0; i < WIDTH; i++) {
            gathered[i] = x[3 * WIDTH + i];
            gathered[WIDTH + i] = x[WIDTH + i];
        }
        for (int i = 0; i < joined.length; i++) {
            // One row before, cut off again behind: rows move down by one and begin with the one that was put before.
            joined[i] = i < WIDTH ? first[i] : x[i - WIDTH];
        }
        return new Check(
                "rows",
                graph -> {
                    Value in = graph.input("x", ElementType.FLOAT, Axis.of(1), Axis.of("N"), Axis.of(WIDTH));
                    Value chosen = graph.input("rows", ElementType.INT64, Axis.of("M"));
                    Value flat = graph.node("flat", "Reshape", in, graph.longs(-1, WIDTH))
                            .output();
                    Value some = graph.node("some", "Gather", flat, chosen)
                            .with("axis", 0)
                            .output();
                    output(graph, "gathered", some, WIDTH);
                    Value token = graph.weight("token", ElementType.FLOAT, WeightData.plain(vector(first)), 1, WIDTH);
                    Value more = graph.node("more", "Concat", token, flat)
                            .with("axis", 0)
                            .output();
                    Value batch = graph.node("batch", "Unsqueeze", more, graph.longs(0))
                            .output();
                    Value rows = graph.node("rows_again", "Squeeze", batch, graph.longs(0))
                            .output();
                    Value cut = graph.node("cut", "Slice", rows, graph.longs(0), graph.longs(-1), graph.longs(0))
                            .output();
                    return output(graph, "joined", cut, WIDTH);
                },
                Map.of("x", Tensor.ofFloats(x, 1, ROWS, WIDTH), "rows", longs(3, 1)),
                Map.of("gathered", gathered, "joined", joined));
    }

    private static Check plainRotary() {
        float[] x = gaussian(new SplittableRandom(7), ROWS * HEADS * HEAD);
        long[] positions = {3, 4, 9, 0, 7};
        return new Check(
                "PlainRotary",
                graph -> {
                    Value in = graph.input("x", ElementType.FLOAT, Axis.of("B"), Axis.of("S"), Axis.of(HEADS * HEAD));
                    return output(
                            graph, "y", new PlainRotary(graph, HEAD, 100, 16).apply("q", in, HEADS), HEADS * HEAD);
                },
                Map.of(
                        "x",
                        Tensor.ofFloats(x, 1, ROWS, HEADS * HEAD),
                        GraphContract.POSITION_IDS,
                        longs(positions, 1, ROWS)),
                Map.of("y", rotated(x, (row, pair) -> positions[row] * frequency(pair))));
    }

    private static Check multimodalRotary() {
        float[] x = gaussian(new SplittableRandom(8), ROWS * HEADS * HEAD);
        long[][] positions = {{3, 3, 3, 3, 8}, {3, 4, 3, 4, 8}, {5, 5, 6, 6, 8}};
        long[] flat = Arrays.stream(positions).flatMapToLong(Arrays::stream).toArray();
        return new Check(
                "MultimodalRotary",
                graph -> {
                    Value in = graph.input("x", ElementType.FLOAT, Axis.of("B"), Axis.of("S"), Axis.of(HEADS * HEAD));
                    MultimodalRotary rotary = new MultimodalRotary(graph, List.of(2, 3, 3), HEAD, 100, 16);
                    return output(graph, "y", rotary.apply("q", in, HEADS), HEADS * HEAD);
                },
                Map.of(
                        "x",
                        Tensor.ofFloats(x, 1, ROWS, HEADS * HEAD),
                        GraphContract.POSITION_IDS,
                        longs(flat, 3, 1, ROWS)),
                Map.of(
                        "y",
                        rotated(x, (row, pair) -> positions[pair < 2 ? 0 : pair < 5 ? 1 : 2][row] * frequency(pair))));
    }

    private static Check patchAttention() {
        SplittableRandom random = new SplittableRandom(9);
        int width = HEADS * HEAD;
        float[] qkv = gaussian(random, ROWS * 3 * width);
        float[] cos = new float[ROWS * HEAD / 2];
        float[] sin = new float[cos.length];
        double[] angles = new double[cos.length];
        for (int i = 0; i < cos.length; i++) {
            angles[i] = random.nextDouble() * 6;
            cos[i] = (float) Math.cos(angles[i]);
            sin[i] = (float) Math.sin(angles[i]);
        }
        float[][] parts = new float[3][ROWS * width];
        for (int row = 0; row < ROWS; row++) {
            for (int part = 0; part < 3; part++) {
                System.arraycopy(qkv, (row * 3 + part) * width, parts[part], row * width, width);
            }
        }
        Angle angle = (row, pair) -> angles[row * HEAD / 2 + pair];
        double[] expected = attention(
                rotated(parts[0], angle),
                rotated(parts[1], angle),
                doubles(parts[2]),
                HEADS,
                0,
                0,
                (query, key) -> true);
        return new Check(
                "PatchAttention",
                graph -> {
                    Value in = graph.input("qkv", ElementType.FLOAT, Axis.of(1), Axis.of("N"), Axis.of(3 * width));
                    return output(graph, "y", new PatchAttention(graph, HEADS, HEAD).apply("attn", in), width);
                },
                Map.of(
                        "qkv",
                        Tensor.ofFloats(qkv, 1, ROWS, 3 * width),
                        GraphContract.COS,
                        Tensor.ofFloats(cos, ROWS, HEAD / 2),
                        GraphContract.SIN,
                        Tensor.ofFloats(sin, ROWS, HEAD / 2)),
                Map.of("y", expected));
    }

    private static Check cachedAttention(String name, int past, int count, int window) {
        Rows rows = new Rows(past, count);
        Map<String, Tensor> inputs = rows.inputs();
        inputs.put(GraphContract.SEQLENS_K, longs(past + count - 1));
        inputs.put(GraphContract.TOTAL_SEQUENCE_LENGTH, longs(past + count));
        return new Check(
                "CachedAttention, " + name,
                graph -> {
                    Value[] qkv = rows.declare(graph);
                    CachedAttention attention = window == Integer.MAX_VALUE
                            ? new CachedAttention(graph, HEADS, KV_HEADS, HEAD)
                            : new CachedAttention(graph, HEADS, KV_HEADS, HEAD, window);
                    return output(graph, "y", attention.apply("attn", 0, qkv[0], qkv[1], qkv[2]), HEADS * HEAD);
                },
                inputs,
                Map.of("y", rows.attended(0, (query, key) -> key <= query && (long) query - key < window)));
    }

    private static Check prefixAttention(String name, int past, int count, double softcap, int window) {
        Rows rows = new Rows(past, count);
        Map<String, Tensor> inputs = rows.inputs();
        inputs.put(GraphContract.PAST_LENGTHS, longs(past));
        inputs.put(GraphContract.TOTAL_LENGTHS, longs(past + count));
        inputs.put(GraphContract.SPAN, longs(ROOM));
        int first = window == PrefixAttention.UNBOUNDED || past == 0 ? 0 : past + count - window;
        return new Check(
                "PrefixAttention, " + name,
                graph -> {
                    Value[] qkv = rows.declare(graph);
                    PrefixAttention attention = new PrefixAttention(
                            graph, HEADS, KV_HEADS, HEAD, 1 / Math.sqrt(HEAD), softcap, layer -> window);
                    return output(graph, "y", attention.apply("attn", 0, qkv[0], qkv[1], qkv[2]), HEADS * HEAD);
                },
                inputs,
                Map.of("y", rows.attended(softcap, (query, key) -> key >= first)));
    }

    /** New rows of one slot behind those in its cache. */
    private static final class Rows {

        private final int past;
        private final int count;
        private final float[] q;

        /** [total, KV_HEADS · HEAD] */
        private final float[] k;

        private final float[] v;

        Rows(int past, int count) {
            this.past = past;
            this.count = count;
            SplittableRandom random = new SplittableRandom(10);
            q = gaussian(random, count * HEADS * HEAD);
            k = gaussian(random, (past + count) * KV_HEADS * HEAD);
            v = gaussian(random, (past + count) * KV_HEADS * HEAD);
        }

        Value[] declare(OnnxGraph graph) {
            return new Value[] {
                graph.input("q", ElementType.FLOAT, Axis.of("B"), Axis.of("S"), Axis.of(HEADS * HEAD)),
                graph.input("k", ElementType.FLOAT, Axis.of("B"), Axis.of("S"), Axis.of(KV_HEADS * HEAD)),
                graph.input("v", ElementType.FLOAT, Axis.of("B"), Axis.of("S"), Axis.of(KV_HEADS * HEAD))
            };
        }

        Map<String, Tensor> inputs() {
            int width = KV_HEADS * HEAD;
            Map<String, Tensor> inputs = new HashMap<>();
            inputs.put("q", Tensor.ofFloats(q, 1, count, HEADS * HEAD));
            inputs.put("k", Tensor.ofFloats(Arrays.copyOfRange(k, past * width, k.length), 1, count, width));
            inputs.put("v", Tensor.ofFloats(Arrays.copyOfRange(v, past * width, v.length), 1, count, width));
            inputs.put(GraphContract.pastKey(0), Tensor.ofFloats(cache(k), 1, KV_HEADS, ROOM, HEAD));
            inputs.put(GraphContract.pastValue(0), Tensor.ofFloats(cache(v), 1, KV_HEADS, ROOM, HEAD));
            return inputs;
        }

        /** [KV_HEADS, ROOM, HEAD]; what lies behind the past must not matter. */
        private float[] cache(float[] rows) {
            float[] cache = new float[KV_HEADS * ROOM * HEAD];
            Arrays.fill(cache, 1000);
            for (int row = 0; row < past; row++) {
                for (int head = 0; head < KV_HEADS; head++) {
                    System.arraycopy(rows, (row * KV_HEADS + head) * HEAD, cache, (head * ROOM + row) * HEAD, HEAD);
                }
            }
            return cache;
        }

        double[] attended(double softcap, Sees sees) {
            return attention(doubles(q), doubles(k), doubles(v), KV_HEADS, past, softcap, sees);
        }
    }

    private interface Sees {
        boolean sees(int query, int key);
    }

    /** Softmax(q · k / √HEAD) · v for each head, with groups of heads that share keys and values. */
    private static double[] attention(
            double[] q, double[] k, double[] v, int kvHeads, int past, double softcap, Sees sees) {
        int count = q.length / (HEADS * HEAD);
        int total = k.length / (kvHeads * HEAD);
        double[] y = new double[q.length];
        for (int row = 0; row < count; row++) {
            for (int head = 0; head < HEADS; head++) {
                int shared = head / (HEADS / kvHeads);
                int to = (row * HEADS + head) * HEAD;
                double sum = 0;
                for (int key = 0; key < total; key++) {
                    if (!sees.sees(past + row, key)) {
                        continue;
                    }
                    int from = (key * kvHeads + shared) * HEAD;
                    double score = 0;
                    for (int d = 0; d < HEAD; d++) {
                        score += q[to + d] * k[from + d] / Math.sqrt(HEAD);
                    }
                    double weight = Math.exp(softcap > 0 ? softcap * Math.tanh(score / softcap) : score);
                    sum += weight;
                    for (int d = 0; d < HEAD; d++) {
                        y[to + d] += weight * v[from + d];
                    }
                }
                for (int d = 0; d < HEAD; d++) {
                    y[to + d] /= sum;
                }
            }
        }
        return y;
    }

    private interface Angle {
        double of(int row, int pair);
    }

    private static double frequency(int pair) {
        return Math.pow(100, -2.0 * pair / HEAD);
    }

    /** Turns pair (d, d + HEAD / 2) of each head. */
    private static double[] rotated(float[] x, Angle angle) {
        double[] y = new double[x.length];
        int half = HEAD / 2;
        for (int row = 0; row < x.length / (HEADS * HEAD); row++) {
            for (int head = 0; head < HEADS; head++) {
                int at = (row * HEADS + head) * HEAD;
                for (int pair = 0; pair < half; pair++) {
                    double cos = Math.cos(angle.of(row, pair));
                    double sin = Math.sin(angle.of(row, pair));
                    y[at + pair] = x[at + pair] * cos - x[at + half + pair] * sin;
                    y[at + half + pair] = x[at + half + pair] * cos + x[at + pair] * sin;
                }
            }
        }
        return y;
    }

    /** Null, so that a builder of a graph may end with an output. */
    @SuppressWarnings("NullAway")
    private static Void output(OnnxGraph graph, String name, Value value, int width) {
        Value named =
                graph.node("output/" + name, "Identity", value).outputs(name).getFirst();
        graph.output(named, ElementType.FLOAT, Axis.of("N"), Axis.of(width));
        return null;
    }

    private static Tensor longs(long... values) {
        return longs(values, values.length);
    }

    private static Tensor longs(long[] values, int... shape) {
        ByteBuffer data = ByteBuffer.allocateDirect(values.length * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        data.asLongBuffer().put(values);
        return new Tensor(DType.I64, shape, data);
    }

    private static MatrixSource vector(float[] values) {
        return new ArrayMatrix(values.length, 1, values);
    }

    private static double[] doubles(float[] values) {
        double[] doubles = new double[values.length];
        for (int i = 0; i < values.length; i++) {
            doubles[i] = values[i];
        }
        return doubles;
    }

    private static float[] gaussian(SplittableRandom random, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
