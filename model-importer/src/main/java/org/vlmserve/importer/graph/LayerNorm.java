package org.vlmserve.importer.graph;

import java.util.List;
import org.vlmserve.importer.checkpoint.MatrixSource;

/** Layer normalisation of the last dimension with weight and bias. Source: arXiv:1607.06450. */
public final class LayerNorm {

    private final OnnxGraph graph;
    private final Linear linear;
    private final float epsilon;

    public LayerNorm(OnnxGraph graph, Linear linear, double epsilon) {
        this.graph = graph;
        this.linear = linear;
        this.epsilon = (float) epsilon;
    }

    /** x [.., H] → [.., H]. */
    public Value apply(String name, Value x, MatrixSource weight, MatrixSource bias) {
        return graph.node(
                        name + "/layer_norm",
                        "LayerNormalization",
                        x,
                        linear.vector(name + ".weight", weight),
                        linear.vector(name + ".bias", bias))
                .with("epsilon", epsilon)
                .with("axis", -1)
                .output();
    }

    /**
     * Adds what a block gave to the residual stream and normalises the sum, in one pass.
     *
     * @param deltaBias [H], the bias of the linear layer that ends the block, added here
     */
    public Normalized applyAfter(
            String name, Value residual, Value delta, Value deltaBias, MatrixSource weight, MatrixSource bias) {
        List<Value> outputs = graph.microsoft(
                        name + "/skip_layer_norm",
                        "SkipLayerNormalization",
                        residual,
                        delta,
                        linear.vector(name + ".weight", weight),
                        linear.vector(name + ".bias", bias),
                        deltaBias)
                .with("epsilon", epsilon)
                .outputs(name + "/skip_layer_norm", "", "", name + "/residual");
        return new Normalized(outputs.get(0), outputs.get(3));
    }
}
