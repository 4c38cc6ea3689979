package org.vlmserve.importer.graph;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.vlmserve.importer.checkpoint.MatrixSource;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.onnx.OnnxModel;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.Tensor;

/**
 * A graph as it lies on the disk, held against the checkpoint that it was made of and against plain Java, on the processor at hand.
 * Weights are mapped, and of a layer a few output channels are looked at, so that memory does not grow with the model.
 */
public final class WrittenGraph implements AutoCloseable {

    /** Output channels of each layer that are compared: the first, the last, and others by chance. */
    private static final int CHANNELS = 8;

    /** Rows of activations: by chance, and the two whose products are the largest that the first channel can have. */
    private static final int ROWS = 3;

    private static final int LARGEST = 127;

    /** Of the sum of magnitudes: what the order of float additions may change. */
    private static final double RELATIVE = 2e-5;

    /** Floats of a weight that are looked at between two looks at its next piece. */
    private static final int PIECE = 1 << 16;

    private final OnnxGraph graph;
    private final Path file;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment weights;

    /** @param file the graph's, with its weights beside it */
    @SuppressWarnings("MustBeClosedChecker") // closed with the graph
    public WrittenGraph(OnnxGraph graph, Path file) throws IOException {
        this.graph = graph;
        this.file = file;
        try (FileChannel channel =
                FileChannel.open(file.resolveSibling(graph.weights().name()), StandardOpenOption.READ)) {
            weights = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
        }
    }

    /** What {@link #check} does, in steps that it reports. */
    public int steps() {
        return graph.weights().extents().size() + graph.quantizedLayers().size();
    }

    /**
     * Every float that was written is finite, and sampled channels of each quantised layer are what the checkpoint holds and multiply
     * as they should.
     *
     * @param step is told of each step
     * @throws VlmException {@code CHECKPOINT_UNREADABLE} for weights that are no numbers, {@code PROCESSOR_UNSUPPORTED} where this
     *     processor has no right kernel, {@code INTERNAL} for any other difference
     */
    public void check(EngineOptions options, Runnable step) {
        graph.weights().extents().forEach((name, extent) -> {
            if (extent.type() == ElementType.FLOAT) {
                requireFinite(name, extent);
            }
            step.run();
        });
        for (QuantizedLayer layer : graph.quantizedLayers()) {
            if (layer.weight().rows() > 0 && layer.weight().columns() > 0) {
                check(layer, options);
            }
            step.run();
        }
    }

    private void requireFinite(String name, WeightFile.Extent extent) {
        MemorySegment values = weights.asSlice(extent.offset(), extent.length());
        long count = extent.length() / Float.BYTES;
        float[] piece = new float[(int) Math.min(PIECE, count)];
        for (long from = 0; from < count; from += piece.length) {
            int length = (int) Math.min(piece.length, count - from);
            MemorySegment.copy(values, WeightData.LITTLE_FLOAT, from * Float.BYTES, piece, 0, length);
            // What is not finite stays so in a sum with its own negation, zero times anything else is zero.
            float sum = 0;
            for (int i = 0; i < length; i++) {
                sum += piece[i] * 0;
            }
            if (sum != 0) {
                throw new VlmException(
                        ErrorCode.CHECKPOINT_UNREADABLE,
                        "the checkpoint's weight for " + graph.name() + " " + name
                                + " holds values that are no finite numbers; it would answer nonsense, fetch it again or"
                                + " import another revision");
            }
        }
    }

    private void check(QuantizedLayer layer, EngineOptions options) {
        int[] channels = channels(layer);
        Stored stored =
                layer.format() == WeightFormat.ROWWISE_INT8 ? rowwise(layer, channels) : blocks(layer, channels);
        compareWithCheckpoint(layer, channels, stored);
        compareProducts(layer, channels, stored, options);
    }

    private static int[] channels(QuantizedLayer layer) {
        int rows = layer.weight().rows();
        TreeSet<Integer> chosen = new TreeSet<>(List.of(0, rows - 1));
        SplittableRandom random = new SplittableRandom(layer.name().hashCode());
        for (int i = 0; i < CHANNELS - 2; i++) {
            chosen.add(random.nextInt(rows));
        }
        return chosen.stream().mapToInt(Integer::intValue).toArray();
    }

    /**
     * Chosen channels as they lie in the file.
     *
     * @param weight in the operator's layout for this many channels
     * @param scale likewise, float
     * @param levels [channels][K], whole numbers around zero
     * @param steps [channels][K], what a level is worth
     */
    private record Stored(byte[] weight, byte[] scale, int[][] levels, float[][] steps) {}

    private Stored rowwise(QuantizedLayer layer, int[] channels) {
        int depth = layer.weight().columns();
        int columns = layer.weight().rows();
        MemorySegment values = segment(layer.name() + ".weight");
        MemorySegment scales = segment(layer.name() + ".scale");
        byte[] weight = new byte[depth * channels.length];
        MemorySegment scale = MemorySegment.ofArray(new byte[channels.length * Float.BYTES]);
        int[][] levels = new int[channels.length][depth];
        float[][] steps = new float[channels.length][depth];
        for (int c = 0; c < channels.length; c++) {
            float step = scales.get(WeightData.LITTLE_FLOAT, (long) channels[c] * Float.BYTES);
            scale.set(WeightData.LITTLE_FLOAT, (long) c * Float.BYTES, step);
            Arrays.fill(steps[c], step);
            for (int k = 0; k < depth; k++) {
                byte level = values.get(ValueLayout.JAVA_BYTE, (long) k * columns + channels[c]);
                weight[k * channels.length + c] = level;
                levels[c][k] = level;
            }
        }
        return new Stored(weight, scale.toArray(ValueLayout.JAVA_BYTE), levels, steps);
    }

    private Stored blocks(QuantizedLayer layer, int[] channels) {
        int bits = layer.format() == WeightFormat.BLOCK_INT8 ? 8 : 4;
        int depth = layer.weight().columns();
        int blocks = Math.ceilDiv(depth, Linear.BLOCK);
        int rowBytes = blocks * Linear.BLOCK * bits / 8;
        int scaleBytes = blocks * Float.BYTES;
        MemorySegment values = segment(layer.name() + ".weight");
        MemorySegment scales = segment(layer.name() + ".scale");
        byte[] weight = new byte[rowBytes * channels.length];
        byte[] scale = new byte[scaleBytes * channels.length];
        int[][] levels = new int[channels.length][depth];
        float[][] steps = new float[channels.length][depth];
        for (int c = 0; c < channels.length; c++) {
            MemorySegment.copy(
                    values, ValueLayout.JAVA_BYTE, (long) channels[c] * rowBytes, weight, c * rowBytes, rowBytes);
            MemorySegment.copy(
                    scales, ValueLayout.JAVA_BYTE, (long) channels[c] * scaleBytes, scale, c * scaleBytes, scaleBytes);
            for (int k = 0; k < depth; k++) {
                int packed = Byte.toUnsignedInt(weight[c * rowBytes + k * bits / 8]);
                int level = bits == 8 ? packed : packed >> 4 * (k % 2) & 15;
                levels[c][k] = level - (1 << (bits - 1));
                steps[c][k] = MemorySegment.ofArray(scale)
                        .get(WeightData.LITTLE_FLOAT, (long) c * scaleBytes + (long) k / Linear.BLOCK * Float.BYTES);
            }
        }
        return new Stored(weight, scale, levels, steps);
    }

    private MemorySegment segment(String weight) {
        WeightFile.Extent extent = graph.weights().extents().get(weight);
        if (extent == null) {
            throw new IllegalStateException(graph.name() + " has no weight " + weight);
        }
        return weights.asSlice(extent.offset(), extent.length());
    }

    /** A weight is off by half a level at most; by one where the far end of a block's range has no level of its own. */
    private void compareWithCheckpoint(QuantizedLayer layer, int[] channels, Stored stored) {
        MatrixSource source = layer.weight();
        float[] row = new float[source.columns()];
        int top = switch (layer.format()) {
            case BLOCK_INT4 -> 7;
            case BLOCK_INT8 -> LARGEST;
            default -> Integer.MAX_VALUE;
        };
        for (int c = 0; c < channels.length; c++) {
            source.read(channels[c], 0, row.length, row, 0);
            for (int k = 0; k < row.length; k++) {
                float step = stored.steps()[c][k];
                double error = Math.abs(row[k] - (double) stored.levels()[c][k] * step);
                double allowed = (stored.levels()[c][k] == top ? 1 : 0.5) * Math.abs(step) * 1.001;
                if (!(error <= allowed)) {
                    throw new VlmException(
                            ErrorCode.INTERNAL,
                            where(layer, channels[c]) + " holds " + stored.levels()[c][k] + " · " + step + " for input "
                                    + k + ", and the checkpoint " + row[k]
                                    + "; the bundle is not published, import again");
                }
            }
        }
    }

    private void compareProducts(QuantizedLayer layer, int[] channels, Stored stored, EngineOptions options) {
        int depth = layer.weight().columns();
        int[][] activations =
                activations(stored.levels()[0], depth, layer.name().hashCode());
        float[] x = new float[ROWS * depth];
        for (int row = 0; row < ROWS; row++) {
            for (int k = 0; k < depth; k++) {
                x[row * depth + k] = activations[row][k];
            }
        }
        float[] y;
        try (OnnxModel model =
                OnnxModel.of(small(layer, channels.length, stored), file.resolveSibling(layer.name()), options)) {
            y = model.run(Map.of("x", Tensor.ofFloats(x, ROWS, depth)))
                    .values()
                    .iterator()
                    .next()
                    .toFloats();
        }
        for (int row = 0; row < ROWS; row++) {
            for (int c = 0; c < channels.length; c++) {
                double expected = 0;
                double magnitude = 0;
                for (int k = 0; k < depth; k++) {
                    double term = (double) activations[row][k] * stored.levels()[c][k] * stored.steps()[c][k];
                    expected += term;
                    magnitude += Math.abs(term);
                }
                float actual = y[row * channels.length + c];
                if (!(Math.abs(actual - expected) <= RELATIVE * magnitude)) {
                    throw new VlmException(
                            ErrorCode.INTERNAL,
                            where(layer, channels[c]) + " gives " + actual + " on this machine, and by definition "
                                    + expected + "; the bundle is not published, import with another --precision");
                }
            }
        }
    }

    /** Whole numbers with a 127 in each block, which 8 bits keep as they are. */
    private static int[][] activations(int[] levels, int depth, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        int[][] x = new int[ROWS][depth];
        for (int k = 0; k < depth; k++) {
            x[0][k] = k % Linear.BLOCK == 0 ? LARGEST : random.nextInt(-LARGEST, LARGEST + 1);
            x[1][k] = levels[k] < 0 ? -LARGEST : LARGEST;
            x[2][k] = -x[1][k];
        }
        return x;
    }

    /** The layer's nodes over the chosen channels. */
    private static byte[] small(QuantizedLayer layer, int channels, Stored stored) {
        int depth = layer.weight().columns();
        int blocks = Math.ceilDiv(depth, Linear.BLOCK);
        OnnxGraph graph = new OnnxGraph("check", new WeightFile("none"));
        Linear linear = new Linear(graph);
        Value x = graph.input("x", ElementType.FLOAT, Axis.of("N"), Axis.of(depth));
        int bits = layer.format() == WeightFormat.BLOCK_INT4 ? 4 : 8;
        Value y;
        if (layer.format() == WeightFormat.ROWWISE_INT8) {
            Value w = graph.initializer("w", ElementType.INT8, stored.weight(), depth, channels);
            Value s = graph.initializer("s", ElementType.FLOAT, stored.scale(), channels);
            y = linear.rowwise("layer", x, w, s);
        } else {
            Value w = graph.initializer(
                    "w", ElementType.UINT8, stored.weight(), channels, blocks, (long) Linear.BLOCK * bits / 8);
            Value s = graph.initializer("s", ElementType.FLOAT, stored.scale(), (long) channels * blocks);
            y = linear.blockwise("layer", x, w, s, depth, channels, bits);
        }
        graph.output(y, ElementType.FLOAT, Axis.of("N"), Axis.of(channels));
        graph.describe("format.layer", layer.format().name());
        return graph.serialize();
    }

    private String where(QuantizedLayer layer, int channel) {
        return graph.name() + " " + layer.name() + " (" + layer.format() + "), output channel " + channel + ",";
    }

    @Override
    public void close() {
        arena.close();
    }
}
