package org.vlmserve.importer.graph;

import ai.onnx.proto.OnnxMl.AttributeProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.vlmserve.importer.checkpoint.ArrayMatrix;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.onnx.Int8Weights;
import org.vlmserve.onnx.OnnxModel;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.Tensor;

/**
 * What one layer [8960 → 1536] takes in each {@link WeightFormat}, in row-wise 8 bits with unsigned weights, and in 8-bit blocks with
 * float activations, in turns on one thread. What this processor computes wrongly is left out, and named.
 * Run by {@code benchmarks/format-rates}.
 */
final class FormatRates {

    private static final int INPUTS = 8960;
    private static final int OUTPUTS = 1536;
    private static final int WARM_UP = 3;

    private FormatRates() {}

    /** @param args how many rounds */
    public static void main(String[] args) throws IOException {
        int rounds = args.length > 0 ? Integer.parseInt(args[0]) : 15;
        SplittableRandom random = new SplittableRandom(1);
        float[] weight = values(random, INPUTS * OUTPUTS);
        Path directory = Files.createTempDirectory("format-rates");
        Map<String, OnnxModel> models = new LinkedHashMap<>();
        for (WeightFormat format : WeightFormat.values()) {
            Path graph = write(Files.createDirectory(directory.resolve(format.name())), weight, format);
            if (format == WeightFormat.ROWWISE_INT8) {
                for (Int8Weights weights : List.of(Int8Weights.SIGNED, Int8Weights.UNSIGNED)) {
                    try {
                        EngineOptions options = EngineOptions.ofThreads(1).withInt8Weights(weights);
                        models.put(format + " " + weights, OnnxModel.load(graph, options));
                    } catch (VlmException e) {
                        System.out.println(format + " " + weights + ": " + e.getMessage());
                    }
                }
            } else {
                models.put(format.name(), OnnxModel.load(graph, EngineOptions.ofThreads(1)));
            }
            if (format == WeightFormat.BLOCK_INT8) {
                models.put(format + ", float x", OnnxModel.load(withFloatInputs(graph), EngineOptions.ofThreads(1)));
            }
        }
        for (int rows : new int[] {1, 4, 64, 256}) {
            Tensor x = Tensor.ofFloats(values(random, rows * INPUTS), rows, INPUTS);
            Map<String, double[]> times = new LinkedHashMap<>();
            for (int round = -WARM_UP; round < rounds; round++) {
                for (Map.Entry<String, OnnxModel> model : models.entrySet()) {
                    long begin = System.nanoTime();
                    model.getValue().run(Map.of("x", x));
                    double millis = (System.nanoTime() - begin) / 1e6;
                    if (round >= 0) {
                        times.computeIfAbsent(model.getKey(), key -> new double[rounds])[round] = millis;
                    }
                }
            }
            times.forEach((name, each) -> {
                Arrays.sort(each);
                System.out.printf(
                        Locale.ROOT,
                        "%3d rows %-24s median %.2f ms, least %.2f ms%n",
                        rows,
                        name,
                        each[rounds / 2],
                        each[0]);
            });
        }
        System.exit(0);
    }

    private static Path write(Path directory, float[] weight, WeightFormat format) throws IOException {
        OnnxGraph graph = new OnnxGraph("layer", new WeightFile("weights.bin"));
        Value x = graph.input("x", ElementType.FLOAT, Axis.of("N"), Axis.of(INPUTS));
        Value y = graph.node(
                        "identity",
                        "Identity",
                        new Linear(graph).apply("layer", x, new ArrayMatrix(OUTPUTS, INPUTS, weight), format))
                .outputs("y")
                .getFirst();
        graph.output(y, ElementType.FLOAT, Axis.of("N"), Axis.of(OUTPUTS));
        try (ExecutorService workers = Executors.newFixedThreadPool(2);
                FileChannel out = FileChannel.open(
                        directory.resolve("weights.bin"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            graph.weights().write((data, offset) -> out.write(data, offset), workers, bytes -> {});
        }
        return Files.write(directory.resolve("graph.onnx"), graph.serialize());
    }

    /** The same graph with accuracy level 1: activations stay float. */
    private static Path withFloatInputs(Path graph) throws IOException {
        ModelProto.Builder model = ModelProto.parseFrom(Files.readAllBytes(graph)).toBuilder();
        for (NodeProto.Builder node : model.getGraphBuilder().getNodeBuilderList()) {
            for (AttributeProto.Builder attribute : node.getAttributeBuilderList()) {
                if (attribute.getName().equals("accuracy_level")) {
                    attribute.setI(1);
                }
            }
        }
        return Files.write(graph.resolveSibling("float.onnx"), model.build().toByteArray());
    }

    private static float[] values(SplittableRandom random, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) (random.nextDouble() - 0.5);
        }
        return values;
    }
}
