package org.vlmserve.importer.graph;

import java.util.List;
import org.vlmserve.importer.checkpoint.MatrixSource;

/** Root mean square normalisation of the last dimension, w · x / √(mean(x²) + ε). Source: arXiv:1910.07467. */
public final class RmsNorm {

    private final OnnxGraph graph;
    private final Linear linear;
    private final float epsilon;

    public RmsNorm(OnnxGraph graph, Linear linear, double epsilon) {
        this.graph = graph;
        this.linear = linear;
        this.epsilon = (float) epsilon;
    }

    /** x [.., H] → [.., H]. */
    public Value apply(String name, Value x, MatrixSource weight) {
        return graph.node(
                        name + "/rms_norm", "SimplifiedLayerNormalization", x, linear.vector(name + ".weight", weight))
                .with("epsilon", epsilon)
                .with("axis", -1)
                .with("stash_type", 1)
                .output();
    }

    /** Adds what a block gave to the residual stream and normalises the sum, in one pass. */
    public Normalized applyAfter(String name, Value residual, Value delta, MatrixSource weight) {
        List<Value> outputs = graph.microsoft(
                        name + "/skip_rms_norm",
                        "SkipSimplifiedLayerNormalization",
                        residual,
                        delta,
                        linear.vector(name + ".weight", weight))
                .with("epsilon", epsilon)
                .outputs(name + "/skip_rms_norm", "", "", name + "/residual");
        return new Normalized(outputs.get(0), outputs.get(3));
    }

    /** As {@link #applyAfter} where the residual stream ends here. */
    public Value applyLast(String name, Value residual, Value delta, MatrixSource weight) {
        return graph.microsoft(
                        name + "/skip_rms_norm",
                        "SkipSimplifiedLayerNormalization",
                        residual,
                        delta,
                        linear.vector(name + ".weight", weight))
                .with("epsilon", epsilon)
                .output();
    }
}
