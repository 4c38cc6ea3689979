package org.vlmserve.importer.graph;

import org.vlmserve.importer.checkpoint.MatrixSource;

/** A gated MLP: down(f(gate(x)) · up(x)), SwiGLU where f is SiLU. Source: arXiv:2002.05202. */
public final class GatedMlp {

    private final OnnxGraph graph;
    private final Linear linear;
    private final Activation activation;

    public GatedMlp(OnnxGraph graph, Linear linear, Activation activation) {
        this.graph = graph;
        this.linear = linear;
        this.activation = activation;
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
        Value gated = graph.node(name + "/mul", "Mul", activation.apply(graph, name + "/act", g), u)
                .output();
        return linear.apply(name + ".down", gated, down, format);
    }
}
