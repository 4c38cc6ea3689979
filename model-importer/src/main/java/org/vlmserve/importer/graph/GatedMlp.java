package org.vlmserve.importer.graph;

import org.vlmserve.importer.checkpoint.MatrixSource;

/** SwiGLU: down(silu(gate(x)) · up(x)). Source: arXiv:2002.05202. */
public final class GatedMlp {

    private final OnnxGraph graph;
    private final Linear linear;

    public GatedMlp(OnnxGraph graph, Linear linear) {
        this.graph = graph;
        this.linear = linear;
    }

    /**
     * x [.., H] → [.., H].
     *
     * @param gate [I, H]
     * @param up [I, H]
     * @param down [H, I]
     */
    public Value apply(
            String name, Value x, MatrixSource gate, MatrixSource up, MatrixSource down, WeightFormat format) {
        Value g = linear.apply(name + ".gate", x, gate, format);
        Value u = linear.apply(name + ".up", x, up, format);
        // x · sigmoid(1 · x) is silu.
        Value silu = graph.microsoft(name + "/silu", "QuickGelu", g)
                .with("alpha", 1f)
                .output();
        Value gated = graph.node(name + "/mul", "Mul", silu, u).output();
        return linear.apply(name + ".down", gated, down, format);
    }
}
