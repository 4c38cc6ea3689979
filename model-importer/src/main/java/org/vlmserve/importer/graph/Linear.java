package org.vlmserve.importer.graph;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import org.vlmserve.importer.checkpoint.MatrixSource;

/**
 * Linear layers: x [.., K] → x · Wᵀ [.., N] for a checkpoint's weight W [N, K], plus a bias [N] on request.
 *
 * <p>Row-wise 8 bit quantises each row of x by its own largest magnitude m: q = round(x / m · 127) + 128, and y = (q − 128) · W8 ·
 * s · m / 127, with W8 [K, N] and the channel scales s [N]. A row's result depends on nothing but the row, bit for bit. m has a
 * floor, since a row of zeros would divide zero by zero. A value that feeds several layers is quantised once.
 */
public final class Linear {

    /** The smallest m: far below any activation, and its inverse is still a float. */
    private static final float SMALLEST = 1e-30f;

    static final int BLOCK = 32;

    private final OnnxGraph graph;
    private final Map<Value, Quantized> quantized = new HashMap<>();

    /** q u8 [.., K] and m / 127 f32 [.., 1]. */
    private record Quantized(Value values, Value scale) {}

    public Linear(OnnxGraph graph) {
        this.graph = graph;
    }

    /**
     * @param name of the layer; nodes and weights are named after it
     * @param x [.., K]
     * @param weight [N, K]
     * @return [.., N]
     */
    public Value apply(String name, Value x, MatrixSource weight, WeightFormat format) {
        ChannelScales scales = new ChannelScales(weight);
        WeightFormat chosen = choose(name, x, weight, format);
        graph.describe("format." + name, chosen.name());
        if (chosen != WeightFormat.FP32) {
            graph.quantizedLayers().add(new QuantizedLayer(name, chosen, weight));
        }
        Value y = switch (chosen) {
            case FP32 -> {
                Value w = graph.weight(
                        name + ".weight",
                        ElementType.FLOAT,
                        WeightData.transposed(weight),
                        weight.columns(),
                        weight.rows());
                yield graph.node(name + "/matmul", "MatMul", x, w).output();
            }
            case ROWWISE_INT8 -> rowwise(name, x, weight, scales);
            case BLOCK_INT8 -> blockwise(name, x, weight, 8);
            case BLOCK_INT4 -> blockwise(name, x, weight, 4);
        };
        graph.magnitudes().linear(y, x, scales);
        return y;
    }

    /** The format that the rule for outliers leaves, with the error that it went by. */
    private WeightFormat choose(String name, Value x, MatrixSource weight, WeightFormat format) {
        if (format != WeightFormat.ROWWISE_INT8) {
            return format;
        }
        double error = graph.magnitudes().rowwiseError(x, weight);
        if (!Double.isNaN(error)) {
            graph.describe("rowwise_error." + name, String.format(Locale.ROOT, "%.4f", error));
        }
        return PrecisionPolicy.forOutliers(format, error);
    }

    /** {@link #apply} plus {@code bias} [N]. */
    public Value apply(String name, Value x, MatrixSource weight, MatrixSource bias, WeightFormat format) {
        Value product = apply(name, x, weight, format);
        return graph.node(name + "/add", "Add", product, vector(name + ".bias", bias))
                .output();
    }

    /** A vector of the checkpoint, such as a bias or a norm's weight, as float [N]. */
    public Value vector(String name, MatrixSource vector) {
        Value value = graph.weight(
                name, ElementType.FLOAT, WeightData.plain(vector), (long) vector.rows() * vector.columns());
        graph.magnitudes().vector(value, vector);
        return value;
    }

    private Value rowwise(String name, Value x, MatrixSource weight, ChannelScales scales) {
        Value w = graph.weight(
                name + ".weight",
                ElementType.INT8,
                WeightData.transposedInt8(weight, scales),
                weight.columns(),
                weight.rows());
        Value s = graph.weight(name + ".scale", ElementType.FLOAT, WeightData.scales(scales), weight.rows());
        return rowwise(name, x, w, s);
    }

    /**
     * @param w i8 [K, N]
     * @param s f32 [N]
     */
    Value rowwise(String name, Value x, Value w, Value s) {
        Quantized q = quantized.computeIfAbsent(x, this::quantize);
        Value product = graph.microsoft(
                        name + "/matmul",
                        "MatMulIntegerToFloat",
                        q.values(),
                        w,
                        graph.scalar(1),
                        s,
                        graph.unsignedByte(128),
                        // ONNX Runtime's rewriting of signed weights to unsigned ones writes here, and needs one for
                        // each node.
                        graph.ownByte(name + ".zero_point", 0))
                .output();
        return graph.node(name + "/rescale", "Mul", product, q.scale()).output();
    }

    private Quantized quantize(Value x) {
        String name = x.name() + "/quantize";
        Value magnitude = graph.node(name + "/abs", "Abs", x).output();
        Value largest = graph.node(name + "/reduce_max", "ReduceMax", magnitude, graph.longs(-1))
                .with("keepdims", 1)
                .output();
        Value m = graph.node(name + "/floor", "Max", largest, graph.floats(SMALLEST))
                .output();
        Value scale =
                graph.node(name + "/scale", "Mul", m, graph.floats(1f / 127)).output();
        Value unit = graph.node(name + "/div", "Div", x, m).output();
        Value values = graph.node(
                        name + "/quantize_linear",
                        "QuantizeLinear",
                        unit,
                        graph.scalar(1f / 127),
                        graph.unsignedByte(128))
                .output();
        return new Quantized(values, scale);
    }

    private Value blockwise(String name, Value x, MatrixSource weight, int bits) {
        BlockQuantized blocks = new BlockQuantized(weight, bits, BLOCK);
        Value w = graph.weight(
                name + ".weight",
                ElementType.UINT8,
                blocks.packed(),
                weight.rows(),
                blocks.blocks(),
                blocks.blockBytes());
        Value s = graph.weight(
                name + ".scale", ElementType.FLOAT, blocks.scales(), (long) weight.rows() * blocks.blocks());
        return blockwise(name, x, w, s, weight.columns(), weight.rows(), bits);
    }

    /**
     * @param w u8 [N, blocks, bytes of a block]
     * @param s f32 [N · blocks]
     */
    Value blockwise(String name, Value x, Value w, Value s, int depth, int columns, int bits) {
        return graph.microsoft(name + "/matmul", "MatMulNBits", x, w, s)
                .with("K", depth)
                .with("N", columns)
                .with("bits", bits)
                .with("block_size", BLOCK)
                .with("accuracy_level", 4)
                .output();
    }
}
