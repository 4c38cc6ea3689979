package org.vlmserve.importer.graph;

import java.util.List;
import org.vlmserve.onnx.GraphContract;

/**
 * Attention of all patches to all patches, with rotary positions that come with the picture: {@code cos} and {@code sin}
 * f32 [N, headDim / 2], declared here as inputs of the graph.
 */
public final class PatchAttention {

    private final OnnxGraph graph;
    private final FullAttention attention;
    private final int width;
    private final Value cos;
    private final Value sin;

    public PatchAttention(OnnxGraph graph, int heads, int headDim) {
        this.graph = graph;
        this.attention = new FullAttention(graph, heads);
        this.width = heads * headDim;
        this.cos = graph.input(GraphContract.COS, ElementType.FLOAT, Axis.of("N"), Axis.of(headDim / 2));
        this.sin = graph.input(GraphContract.SIN, ElementType.FLOAT, Axis.of("N"), Axis.of(headDim / 2));
    }

    /** qkv [1, N, 3 · E] → [1, N, E]. */
    public Value apply(String name, Value qkv) {
        List<Value> parts = graph.node(name + "/split", "Split", qkv, graph.longs(width, width, width))
                .with("axis", -1)
                .outputs(name + "/q", name + "/k", name + "/v");
        graph.magnitudes().part(parts.get(2), qkv, 2 * width, width);
        Value q = rotate(name + "/q", parts.get(0));
        Value k = rotate(name + "/k", parts.get(1));
        return attention.apply(name, q, k, parts.get(2));
    }

    /** Row n of the tables is patch n's: counting begins at 0. */
    private Value rotate(String name, Value x) {
        return graph.microsoft(name + "/rotary", "RotaryEmbedding", x, graph.longs(0), cos, sin)
                .output();
    }
}
