package org.vlmserve.importer.graph;

/** Attention of all rows to all rows. Without mask or bias it takes ONNX Runtime's flash path: no N × N scores are held. */
public final class FullAttention {

    private final OnnxGraph graph;
    private final int heads;

    public FullAttention(OnnxGraph graph, int heads) {
        this.graph = graph;
        this.heads = heads;
    }

    /** query, key and value [1, N, heads · headDim] → the same. */
    public Value apply(String name, Value query, Value key, Value value) {
        Value attended = graph.microsoft(name + "/attention", "MultiHeadAttention", query, key, value)
                .with("num_heads", heads)
                .output();
        graph.magnitudes().attention(attended, value, heads, heads);
        return attended;
    }
}
