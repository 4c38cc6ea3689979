package org.vlmserve.importer.backbone;

import org.jspecify.annotations.Nullable;
import org.vlmserve.importer.checkpoint.MatrixSource;
import org.vlmserve.importer.graph.Activation;
import org.vlmserve.importer.graph.Axis;
import org.vlmserve.importer.graph.ElementType;
import org.vlmserve.importer.graph.Linear;
import org.vlmserve.importer.graph.OnnxGraph;
import org.vlmserve.importer.graph.PrecisionPolicy;
import org.vlmserve.importer.graph.PrecisionPolicy.Role;
import org.vlmserve.importer.graph.Value;
import org.vlmserve.importer.graph.WeightFormat;
import org.vlmserve.onnx.GraphContract;

/** A projector of linear layers: features [M, E] to embeddings [M, H], row by row. */
public final class ProjectorGraph {

    /**
     * A linear layer.
     *
     * @param weight [out, in], as PyTorch stores it
     * @param bias [out]
     */
    public record Layer(MatrixSource weight, @Nullable MatrixSource bias) {}

    private final OnnxGraph graph;
    private final Linear linear;
    private final WeightFormat format;

    public ProjectorGraph(OnnxGraph graph, PrecisionPolicy policy) {
        this.graph = graph;
        this.linear = new Linear(graph);
        this.format = policy.format(Role.PROJECTOR);
    }

    /** One layer. */
    public void build(Layer only) {
        output(apply("projector.0", features(only), only), only);
    }

    /** Two layers with a non-linearity between them. */
    public void build(Layer first, Activation activation, Layer second) {
        Value hidden = apply("projector.0", features(first), first);
        output(apply("projector.2", activation.apply(graph, "projector/act", hidden), second), second);
    }

    private Value features(Layer first) {
        return graph.input(
                GraphContract.FEATURES,
                ElementType.FLOAT,
                Axis.of("M"),
                Axis.of(first.weight().columns()));
    }

    private Value apply(String name, Value x, Layer layer) {
        MatrixSource bias = layer.bias();
        return bias == null
                ? linear.apply(name, x, layer.weight(), format)
                : linear.apply(name, x, layer.weight(), bias, format);
    }

    private void output(Value projected, Layer last) {
        Value embeddings = graph.node("embeddings/identity", "Identity", projected)
                .outputs(GraphContract.EMBEDDINGS)
                .getFirst();
        graph.output(
                embeddings,
                ElementType.FLOAT,
                Axis.of("M"),
                Axis.of(last.weight().rows()));
    }
}
