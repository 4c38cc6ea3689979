package org.vlmserve.importer.graph;

import java.util.List;
import org.vlmserve.onnx.GraphContract;

/**
 * Causal attention with grouped heads over a cache that is written in place. Inputs and outputs of the cache are declared here,
 * under the names of {@link GraphContract}.
 */
public final class CachedAttention implements DecoderAttention {

    private static final int UNBOUNDED = -1;

    private final OnnxGraph graph;
    private final int heads;
    private final int kvHeads;
    private final int headDim;
    private final int window;
    private final Value seqlens;
    private final Value totalLength;

    /** Attention to everything before. */
    public CachedAttention(OnnxGraph graph, int heads, int kvHeads, int headDim) {
        this(graph, heads, kvHeads, headDim, UNBOUNDED);
    }

    /** @param window how many positions each position sees, itself among them */
    public CachedAttention(OnnxGraph graph, int heads, int kvHeads, int headDim, int window) {
        this.graph = graph;
        this.heads = heads;
        this.kvHeads = kvHeads;
        this.headDim = headDim;
        this.window = window;
        this.seqlens = graph.input(GraphContract.SEQLENS_K, ElementType.INT32, Axis.of("B"));
        this.totalLength = graph.input(GraphContract.TOTAL_SEQUENCE_LENGTH, ElementType.INT32, Axis.of(1));
    }

    @Override
    public Value apply(String name, int layer, Value query, Value key, Value value) {
        Axis[] cache = {Axis.of("B"), Axis.of(kvHeads), Axis.of("T"), Axis.of(headDim)};
        Value pastKey = graph.input(GraphContract.pastKey(layer), ElementType.FLOAT, cache);
        Value pastValue = graph.input(GraphContract.pastValue(layer), ElementType.FLOAT, cache);
        List<Value> outputs = graph.microsoft(
                        name + "/attention",
                        "GroupQueryAttention",
                        query,
                        key,
                        value,
                        pastKey,
                        pastValue,
                        seqlens,
                        totalLength)
                .with("num_heads", heads)
                .with("kv_num_heads", kvHeads)
                .with("do_rotary", 0)
                .with("local_window_size", window)
                .outputs(name + "/attention", GraphContract.presentKey(layer), GraphContract.presentValue(layer));
        graph.output(outputs.get(1), ElementType.FLOAT, cache);
        graph.output(outputs.get(2), ElementType.FLOAT, cache);
        graph.magnitudes().attention(outputs.get(0), value, heads, kvHeads);
        return outputs.get(0);
    }
}
