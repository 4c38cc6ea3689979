package org.vlmserve.importer.graph;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntUnaryOperator;
import org.vlmserve.onnx.GraphContract;

/**
 * Attention of a prefix to all of itself, and of an answer's token to all before it, with grouped heads over a cache that is
 * written in place. Inputs and outputs of the cache and the rows' lengths are declared here, under the names of
 * {@link GraphContract}. One graph serves both: what a call brings sees itself and the cache, so a whole prefix in an empty slot
 * sees itself both ways, and a single token sees what is before it.
 *
 * <p>Scores are held for at most {@link #BLOCK} query rows at once: the operator that attends would hold those of all rows, which
 * is half a gigabyte for a prefix of 4,150 tokens and 8 heads. No more than {@code span} positions of the cache are looked at,
 * so that cost follows the longest row and not the cache's capacity.
 *
 * <p>Source of the mask: arXiv:2407.07726, section 3.1, and transformers 5.18, {@code create_sliding_window_causal_mask} in
 * masking_utils.py, where a block's positions see each other whatever the window.
 */
public final class PrefixAttention implements DecoderAttention {

    /** No window: everything is seen. */
    public static final int UNBOUNDED = 0;

    /** Query rows whose scores are held together. Measured: 256 is as fast as all at once, and faster for long prefixes. */
    private static final int BLOCK = 256;

    /** The first version with TensorScatter and with lengths for Attention. */
    private static final int OPSET = 24;

    private final OnnxGraph graph;
    private final int heads;
    private final int kvHeads;
    private final int headDim;
    private final float scale;
    private final float softcap;
    private final IntUnaryOperator window;
    private final Value pastLengths;
    private final Value totalLengths;
    private final Value span;
    private final Map<Integer, Value> visible = new HashMap<>();
    private Blocks blocks = Blocks.NONE;

    /**
     * How the S query rows are cut into n blocks of c rows, the last one padded.
     *
     * @param rows [1], S
     * @param size [1], c
     * @param padding [2], rows before the first and behind the last
     * @param cut [5], the shape [B, n, c, heads, headDim]
     * @param joined [3], the shape [B, n · c, heads · headDim]
     */
    private record Blocks(Value rows, Value size, Value padding, Value cut, Value joined) {
        static final Blocks NONE = new Blocks(Value.NONE, Value.NONE, Value.NONE, Value.NONE, Value.NONE);
    }

    /**
     * @param scale what scores are multiplied by
     * @param softcap c of the scores' bound c · tanh(s / c), 0 for none
     * @param window for each layer how many last positions a token of the answer sees, itself among them, or {@link #UNBOUNDED}
     */
    public PrefixAttention(
            OnnxGraph graph,
            int heads,
            int kvHeads,
            int headDim,
            double scale,
            double softcap,
            IntUnaryOperator window) {
        this.graph = graph;
        this.heads = heads;
        this.kvHeads = kvHeads;
        this.headDim = headDim;
        this.scale = (float) scale;
        this.softcap = (float) softcap;
        this.window = window;
        graph.requireOpset(OPSET);
        pastLengths = graph.input(GraphContract.PAST_LENGTHS, ElementType.INT64, Axis.of("B"));
        totalLengths = graph.input(GraphContract.TOTAL_LENGTHS, ElementType.INT64, Axis.of("B"));
        span = graph.input(GraphContract.SPAN, ElementType.INT64, Axis.of(1));
    }

    @Override
    public Value apply(String name, int layer, Value query, Value key, Value value) {
        if (blocks == Blocks.NONE) {
            blocks = blocks(query);
        }
        Value keys = cached(name + "/k", key, GraphContract.pastKey(layer), GraphContract.presentKey(layer));
        Value values = cached(name + "/v", value, GraphContract.pastValue(layer), GraphContract.presentValue(layer));
        int seen = window.applyAsInt(layer);
        Value mask = seen == UNBOUNDED ? Value.NONE : visible.computeIfAbsent(seen, this::visible);
        Value padded = graph.node(name + "/q/pad", "Pad", query, blocks.padding(), Value.NONE, graph.longs(1))
                .output();
        // [n, B, heads, c, headDim]: the operator wants heads before rows.
        Value cut = swap(name + "/q/blocks", reshape(name + "/q/cut", padded, blocks.cut()));
        OnnxGraph.Body body = graph.body(name + "/block", () -> {
            Axis[] block = {Axis.of("B"), Axis.of(heads), Axis.of("C"), Axis.of(headDim)};
            Value rows = graph.input(name + "/block/q", ElementType.FLOAT, block);
            OnnxGraph.Node attention = graph.node(
                            name + "/attention",
                            "Attention",
                            rows,
                            keys,
                            values,
                            mask,
                            Value.NONE,
                            Value.NONE,
                            totalLengths)
                    .with("is_causal", 0)
                    .with("scale", scale);
            if (softcap > 0) {
                attention.with("softcap", softcap);
            }
            graph.output(attention.output(), ElementType.FLOAT, block);
        });
        Value attended = graph.node(name + "/scan", "Scan", cut)
                .with("num_scan_inputs", 1)
                .with("body", body)
                .output();
        Value joined = reshape(name + "/join", swap(name + "/rows", attended), blocks.joined());
        return graph.node(name + "/unpad", "Slice", joined, graph.longs(0), blocks.rows(), graph.longs(1))
                .output();
    }

    /** Writes the new rows [B, S, kvHeads · headDim] behind a slot's past; gives the cache's first positions [B, kvHeads, span, headDim]. */
    private Value cached(String name, Value rows, String pastName, String presentName) {
        Axis[] cache = {Axis.of("B"), Axis.of(kvHeads), Axis.of("T"), Axis.of(headDim)};
        Value past = graph.input(pastName, ElementType.FLOAT, cache);
        Value cut = reshape(name + "/heads", rows, graph.longs(0, 0, kvHeads, headDim));
        Value headsFirst = graph.node(name + "/transpose", "Transpose", cut)
                .with("perm", List.of(0, 2, 1, 3))
                .output();
        Value present = graph.node(name + "/scatter", "TensorScatter", past, headsFirst, pastLengths)
                .with("axis", 2)
                .outputs(presentName)
                .getFirst();
        graph.output(present, ElementType.FLOAT, cache);
        return graph.node(name + "/span", "Slice", present, graph.longs(0), span, graph.longs(2))
                .output();
    }

    private Blocks blocks(Value query) {
        String name = "prefix.blocks";
        Value rows = graph.node(name + "/rows", "Shape", query)
                .with("start", 1)
                .with("end", 2)
                .output();
        Value count = ceilDiv(name + "/count", rows, graph.longs(BLOCK));
        Value size = ceilDiv(name + "/size", rows, count);
        Value padded = graph.node(name + "/padded", "Mul", count, size).output();
        Value behind = graph.node(name + "/behind", "Sub", padded, rows).output();
        return new Blocks(
                rows,
                size,
                concat(name + "/padding", graph.longs(0), behind),
                concat(name + "/cut", graph.longs(0), count, size, graph.longs(heads), graph.longs(headDim)),
                concat(name + "/joined", graph.longs(0), padded, graph.longs((long) heads * headDim)));
    }

    /**
     * Which positions a block's rows see under a window [B, 1, c, span]: all of them in an empty slot, where the prefix sees
     * itself; else the last ones.
     */
    private Value visible(int seen) {
        String name = "prefix.window_" + seen;
        Value first = graph.node(name + "/first", "Sub", totalLengths, graph.longs(seen))
                .output();
        Value empty = graph.node(name + "/empty", "Equal", pastLengths, graph.longs(0))
                .output();
        Value bound = graph.node(name + "/bound", "Where", empty, graph.longs(0), first)
                .output();
        Value perRow = graph.node(name + "/per_row", "Unsqueeze", bound, graph.longs(1, 2, 3))
                .output();
        Value end = graph.node(name + "/end", "Squeeze", span).output();
        Value positions = graph.node(name + "/positions", "Range", graph.longScalar(0), end, graph.longScalar(1))
                .output();
        Value within = graph.node(name + "/within", "GreaterOrEqual", positions, perRow)
                .output();
        Value one = graph.longs(1);
        return graph.node(name + "/visible", "Expand", within, concat(name + "/shape", one, one, blocks.size(), one))
                .output();
    }

    private Value ceilDiv(String name, Value dividend, Value divisor) {
        Value more = graph.node(name + "/add", "Add", dividend, divisor).output();
        Value less = graph.node(name + "/sub", "Sub", more, graph.longs(1)).output();
        return graph.node(name + "/div", "Div", less, divisor).output();
    }

    private Value concat(String name, Value... parts) {
        return graph.node(name, "Concat", parts).with("axis", 0).output();
    }

    private Value reshape(String name, Value x, Value shape) {
        return graph.node(name, "Reshape", x, shape).output();
    }

    /** [a, b, c, d, e] → [b, a, d, c, e]. */
    private Value swap(String name, Value x) {
        return graph.node(name, "Transpose", x)
                .with("perm", List.of(1, 0, 3, 2, 4))
                .output();
    }
}
