package org.vlmserve.importer.backbone;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.vlmserve.importer.checkpoint.CheckpointTensor;
import org.vlmserve.importer.graph.Axis;
import org.vlmserve.importer.graph.ElementType;
import org.vlmserve.importer.graph.FullAttention;
import org.vlmserve.importer.graph.LayerNorm;
import org.vlmserve.importer.graph.Linear;
import org.vlmserve.importer.graph.Normalized;
import org.vlmserve.importer.graph.OnnxGraph;
import org.vlmserve.importer.graph.PrecisionPolicy;
import org.vlmserve.importer.graph.PrecisionPolicy.Role;
import org.vlmserve.importer.graph.Value;
import org.vlmserve.importer.graph.WeightData;
import org.vlmserve.importer.graph.WeightFormat;
import org.vlmserve.onnx.GraphContract;

/**
 * A vision transformer with learned positions. N patches, P their width in pixel values, E the tower's width.
 *
 * <pre>
 * pixel_values [N, P] ─ patch embedding ─ (class token before) + positions ─ (norm) ─ blocks ─ (norm) ─ features [N, E]
 * </pre>
 *
 * Reference: transformers 5.18, {@code CLIPVisionTransformer} in modeling_clip.py, whose names the tensors have.
 */
public final class VisionTowerGraph {

    /** The tensors of the tower by the names within it, such as {@code encoder.layers.0.mlp.fc1.weight}. */
    @FunctionalInterface
    public interface Tensors {

        /** @throws org.vlmserve.protocol.error.VlmException {@code CHECKPOINT_UNREADABLE} for a missing or misshapen one */
        CheckpointTensor tensor(String name, long... shape);
    }

    private final OnnxGraph graph;
    private final VisionTowerSpec spec;
    private final Tensors tensors;
    private final PrecisionPolicy policy;
    private final WeightFormat format;
    private final Linear linear;
    private final LayerNorm norm;
    private final FullAttention attention;

    public VisionTowerGraph(OnnxGraph graph, VisionTowerSpec spec, Tensors tensors, PrecisionPolicy policy) {
        this.graph = graph;
        this.spec = spec;
        this.tensors = tensors;
        this.policy = policy;
        this.format = policy.format(Role.ENCODER);
        this.linear = new Linear(graph);
        this.norm = new LayerNorm(graph, linear, spec.layerNormEps());
        this.attention = new FullAttention(graph, spec.heads());
    }

    /** Builds the graph; blocks behind the last feature layer are left out. */
    public void build() {
        int width = spec.width();
        int last = Collections.max(spec.featureLayers());
        Map<Integer, Value> layers = new TreeMap<>();
        Value residual = embeddings();
        layers.put(0, residual);
        Value delta = Value.NONE;
        Value deltaBias = Value.NONE;
        for (int i = 0; i < last; i++) {
            String from = "encoder.layers." + i;
            String block = "blocks." + i;
            CheckpointTensor weight = tensors.tensor(from + ".layer_norm1.weight", width);
            CheckpointTensor bias = tensors.tensor(from + ".layer_norm1.bias", width);
            Value x;
            if (i == 0) {
                x = norm.apply(block + ".norm1", residual, weight, bias);
            } else {
                Normalized first = norm.applyAfter(block + ".norm1", residual, delta, deltaBias, weight, bias);
                x = first.values();
                residual = first.residual();
                layers.put(i, residual);
            }
            Value attended = attention.apply(
                    block + ".attn",
                    project(from, block, "q", x),
                    project(from, block, "k", x),
                    project(from, block, "v", x));
            Value projected = linear.apply(
                    block + ".attn.proj",
                    attended,
                    tensors.tensor(from + ".self_attn.out_proj.weight", width, width),
                    format);
            Normalized second = norm.applyAfter(
                    block + ".norm2",
                    residual,
                    projected,
                    linear.vector(block + ".attn.proj.bias", tensors.tensor(from + ".self_attn.out_proj.bias", width)),
                    tensors.tensor(from + ".layer_norm2.weight", width),
                    tensors.tensor(from + ".layer_norm2.bias", width));
            residual = second.residual();
            Value up = linear.apply(
                    block + ".mlp.fc1",
                    second.values(),
                    tensors.tensor(from + ".mlp.fc1.weight", spec.intermediate(), width),
                    tensors.tensor(from + ".mlp.fc1.bias", spec.intermediate()),
                    format);
            delta = linear.apply(
                    block + ".mlp.fc2",
                    spec.activation().apply(graph, block + ".mlp/act", up),
                    tensors.tensor(from + ".mlp.fc2.weight", width, spec.intermediate()),
                    format);
            deltaBias = linear.vector(block + ".mlp.fc2.bias", tensors.tensor(from + ".mlp.fc2.bias", width));
        }
        if (last > 0) {
            layers.put(last, end(residual, delta, deltaBias));
        }
        output(layers);
    }

    /** [1, N, E], the class token's row first. */
    private Value embeddings() {
        int width = spec.width();
        Value pixels =
                graph.input(GraphContract.PIXEL_VALUES, ElementType.FLOAT, Axis.of("N"), Axis.of(spec.patchWidth()));
        // A convolution whose stride is its kernel, on patches that are cut already, is a matrix product.
        CheckpointTensor kernel =
                tensors.tensor("embeddings.patch_embedding.weight", width, 3, spec.patchSize(), spec.patchSize());
        WeightFormat precise = policy.format(Role.PATCH_EMBEDDING);
        Value rows = spec.patchBias()
                ? linear.apply(
                        "patch_embed",
                        pixels,
                        kernel,
                        tensors.tensor("embeddings.patch_embedding.bias", width),
                        precise)
                : linear.apply("patch_embed", pixels, kernel, precise);
        int positions = spec.patches();
        if (spec.classToken()) {
            positions++;
            Value token = graph.weight(
                    "class_token.weight",
                    ElementType.FLOAT,
                    WeightData.plain(tensors.tensor("embeddings.class_embedding", width)),
                    1,
                    width);
            rows = graph.node("class_token/concat", "Concat", token, rows)
                    .with("axis", 0)
                    .output();
        }
        Value table = graph.weight(
                "positions.weight",
                ElementType.FLOAT,
                WeightData.plain(tensors.tensor("embeddings.position_embedding.weight", positions, width)),
                positions,
                width);
        Value sum = graph.node("positions/add", "Add", rows, table).output();
        Value batch =
                graph.node("positions/batch", "Unsqueeze", sum, graph.longs(0)).output();
        // The reference's own spelling.
        return spec.preNorm()
                ? norm.apply(
                        "pre_norm",
                        batch,
                        tensors.tensor("pre_layrnorm.weight", width),
                        tensors.tensor("pre_layrnorm.bias", width))
                : batch;
    }

    private Value project(String from, String block, String what, Value x) {
        return linear.apply(
                block + ".attn." + what,
                x,
                tensors.tensor(from + ".self_attn." + what + "_proj.weight", spec.width(), spec.width()),
                tensors.tensor(from + ".self_attn." + what + "_proj.bias", spec.width()),
                format);
    }

    private Value end(Value residual, Value delta, Value deltaBias) {
        Value biased = graph.node("features/bias", "Add", delta, deltaBias).output();
        return graph.node("features/add", "Add", residual, biased).output();
    }

    private void output(Map<Integer, Value> layers) {
        List<Value> chosen = new ArrayList<>();
        for (int layer : spec.featureLayers()) {
            Value value = layers.get(layer);
            if (value == null) {
                throw new IllegalArgumentException("feature layer " + layer + ", expected 0 or more");
            }
            chosen.add(value);
        }
        Value features = chosen.size() == 1
                ? chosen.getFirst()
                : graph.node("features/concat", "Concat", chosen.toArray(Value[]::new))
                        .with("axis", -1)
                        .output();
        if (spec.postNorm()) {
            features = norm.apply(
                    "post_norm",
                    features,
                    tensors.tensor("post_layernorm.weight", spec.width()),
                    tensors.tensor("post_layernorm.bias", spec.width()));
        }
        Value rows = graph.node("features/unbatch", "Squeeze", features, graph.longs(0))
                .outputs(spec.classToken() && !spec.keepClassToken() ? "features/unbatch" : GraphContract.FEATURES)
                .getFirst();
        if (spec.classToken() && !spec.keepClassToken()) {
            rows = graph.node(
                            "features/patches",
                            "Slice",
                            rows,
                            graph.longs(1),
                            graph.longs(Integer.MAX_VALUE),
                            graph.longs(0))
                    .outputs(GraphContract.FEATURES)
                    .getFirst();
        }
        graph.output(rows, ElementType.FLOAT, Axis.of("N"), Axis.of(spec.featureWidth()));
    }
}
