package org.vlmserve.importer.qwen2vl;

import org.vlmserve.families.qwen2vl.Qwen2VlConfig;
import org.vlmserve.importer.graph.Activation;
import org.vlmserve.importer.graph.Axis;
import org.vlmserve.importer.graph.ElementType;
import org.vlmserve.importer.graph.LayerNorm;
import org.vlmserve.importer.graph.Linear;
import org.vlmserve.importer.graph.Normalized;
import org.vlmserve.importer.graph.OnnxGraph;
import org.vlmserve.importer.graph.PatchAttention;
import org.vlmserve.importer.graph.PrecisionPolicy;
import org.vlmserve.importer.graph.PrecisionPolicy.Role;
import org.vlmserve.importer.graph.Value;
import org.vlmserve.importer.graph.WeightFormat;
import org.vlmserve.onnx.GraphContract;

/**
 * The vision transformer without its merger. N patches, E its width, D its head's.
 *
 * <pre>
 * pixel_values [N, P] ─ patch embedding ─ [1, N, E] ─┬────────────────────────┬+─┬──────────────────────┬+─ … ─ features [N, E]
 *                                                    └ norm ─ attention ──────┘  └ norm ─ fc1 ─ act ─ fc2 ┘
 * </pre>
 *
 * Reference: transformers 5.18, {@code Qwen2VLVisionBlock} in modeling_qwen2_vl.py.
 */
final class Qwen2VlEncoder {

    private Qwen2VlEncoder() {}

    static void build(OnnxGraph graph, Qwen2VlConfig.Vision vision, Qwen2VlTensors tensors, PrecisionPolicy policy) {
        int width = vision.embedDim();
        int mlp = vision.mlpSize();
        Linear linear = new Linear(graph);
        LayerNorm norm = new LayerNorm(graph, linear, vision.layerNormEps());
        WeightFormat format = policy.format(Role.ENCODER);

        Value pixels =
                graph.input(GraphContract.PIXEL_VALUES, ElementType.FLOAT, Axis.of("N"), Axis.of(vision.patchWidth()));
        PatchAttention attention = new PatchAttention(graph, vision.heads(), vision.headDim());
        // A convolution whose stride is its kernel, on patches that are cut already, is a matrix product.
        Value patches = linear.apply(
                "patch_embed",
                pixels,
                tensors.vision(
                        "patch_embed.proj.weight",
                        width,
                        vision.inChannels(),
                        vision.temporalPatchSize(),
                        vision.patchSize(),
                        vision.patchSize()),
                policy.format(Role.PATCH_EMBEDDING));
        Value residual = graph.node("patch_embed/batch", "Unsqueeze", patches, graph.longs(0))
                .output();
        Value delta = Value.NONE;
        Value deltaBias = Value.NONE;
        for (int i = 0; i < vision.depth(); i++) {
            String block = "blocks." + i;
            Value x;
            if (i == 0) {
                x = norm.apply(
                        block + ".norm1",
                        residual,
                        tensors.vision(block + ".norm1.weight", width),
                        tensors.vision(block + ".norm1.bias", width));
            } else {
                Normalized first = norm.applyAfter(
                        block + ".norm1",
                        residual,
                        delta,
                        deltaBias,
                        tensors.vision(block + ".norm1.weight", width),
                        tensors.vision(block + ".norm1.bias", width));
                x = first.values();
                residual = first.residual();
            }
            Value qkv = linear.apply(
                    block + ".attn.qkv",
                    x,
                    tensors.vision(block + ".attn.qkv.weight", 3L * width, width),
                    tensors.vision(block + ".attn.qkv.bias", 3L * width),
                    format);
            Value attended = linear.apply(
                    block + ".attn.proj",
                    attention.apply(block + ".attn", qkv),
                    tensors.vision(block + ".attn.proj.weight", width, width),
                    format);
            Normalized second = norm.applyAfter(
                    block + ".norm2",
                    residual,
                    attended,
                    linear.vector(block + ".attn.proj.bias", tensors.vision(block + ".attn.proj.bias", width)),
                    tensors.vision(block + ".norm2.weight", width),
                    tensors.vision(block + ".norm2.bias", width));
            residual = second.residual();
            Value up = linear.apply(
                    block + ".mlp.fc1",
                    second.values(),
                    tensors.vision(block + ".mlp.fc1.weight", mlp, width),
                    tensors.vision(block + ".mlp.fc1.bias", mlp),
                    format);
            delta = linear.apply(
                    block + ".mlp.fc2",
                    Activation.QUICK_GELU.apply(graph, block + ".mlp/act", up),
                    tensors.vision(block + ".mlp.fc2.weight", width, mlp),
                    format);
            deltaBias = linear.vector(block + ".mlp.fc2.bias", tensors.vision(block + ".mlp.fc2.bias", width));
        }
        Value biased = graph.node("features/bias", "Add", delta, deltaBias).output();
        Value sum = graph.node("features/add", "Add", residual, biased).output();
        Value features = graph.node("features/unbatch", "Squeeze", sum, graph.longs(0))
                .outputs(GraphContract.FEATURES)
                .getFirst();
        graph.output(features, ElementType.FLOAT, Axis.of("N"), Axis.of(width));
    }
}
