package org.vlmserve.importer.qwen2vl;

import org.vlmserve.families.qwen2vl.Qwen2VlConfig;
import org.vlmserve.importer.graph.Axis;
import org.vlmserve.importer.graph.ElementType;
import org.vlmserve.importer.graph.LayerNorm;
import org.vlmserve.importer.graph.Linear;
import org.vlmserve.importer.graph.OnnxGraph;
import org.vlmserve.importer.graph.PrecisionPolicy;
import org.vlmserve.importer.graph.PrecisionPolicy.Role;
import org.vlmserve.importer.graph.Value;
import org.vlmserve.importer.graph.WeightFormat;
import org.vlmserve.onnx.GraphContract;

/**
 * The merger: features [M, E] are normalised row by row, G rows side by side make one of [M / G, G · E], and two linear layers with an
 * erf GELU between give embeddings [M / G, H].
 *
 * <p>Reference: transformers 5.18, {@code PatchMerger} in modeling_qwen2_vl.py.
 */
final class Qwen2VlProjector {

    private Qwen2VlProjector() {}

    static void build(OnnxGraph graph, Qwen2VlConfig.Vision vision, Qwen2VlTensors tensors, PrecisionPolicy policy) {
        int width = vision.embedDim();
        int merged = vision.mergedSize();
        Linear linear = new Linear(graph);
        WeightFormat format = policy.format(Role.PROJECTOR);

        Value features = graph.input(GraphContract.FEATURES, ElementType.FLOAT, Axis.of("M"), Axis.of(width));
        Value rows = new LayerNorm(graph, linear, vision.layerNormEps())
                .apply(
                        "merger.ln_q",
                        features,
                        tensors.vision("merger.ln_q.weight", width),
                        tensors.vision("merger.ln_q.bias", width));
        Value groups = graph.node("merger/group", "Reshape", rows, graph.longs(-1, merged))
                .output();
        Value hidden =
                linear.apply("merger.mlp.0", groups, tensors.vision("merger.mlp.0.weight", merged, merged), format);
        Value activated = graph.microsoft(
                        "merger/gelu",
                        "BiasGelu",
                        hidden,
                        linear.vector("merger.mlp.0.bias", tensors.vision("merger.mlp.0.bias", merged)))
                .output();
        Value projected = linear.apply(
                "merger.mlp.2",
                activated,
                tensors.vision("merger.mlp.2.weight", vision.outputSize(), merged),
                tensors.vision("merger.mlp.2.bias", vision.outputSize()),
                format);
        Value embeddings = graph.node("embeddings/identity", "Identity", projected)
                .outputs(GraphContract.EMBEDDINGS)
                .getFirst();
        graph.output(embeddings, ElementType.FLOAT, Axis.of("M/G"), Axis.of(vision.outputSize()));
    }
}
