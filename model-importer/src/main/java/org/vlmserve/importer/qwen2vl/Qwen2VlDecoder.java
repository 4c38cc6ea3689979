package org.vlmserve.importer.qwen2vl;

import org.vlmserve.families.qwen2vl.Qwen2VlConfig;
import org.vlmserve.importer.checkpoint.CheckpointTensor;
import org.vlmserve.importer.graph.Axis;
import org.vlmserve.importer.graph.CachedAttention;
import org.vlmserve.importer.graph.ElementType;
import org.vlmserve.importer.graph.GatedMlp;
import org.vlmserve.importer.graph.Linear;
import org.vlmserve.importer.graph.MultimodalRotary;
import org.vlmserve.importer.graph.Normalized;
import org.vlmserve.importer.graph.OnnxGraph;
import org.vlmserve.importer.graph.PrecisionPolicy;
import org.vlmserve.importer.graph.PrecisionPolicy.Role;
import org.vlmserve.importer.graph.RmsNorm;
import org.vlmserve.importer.graph.Value;
import org.vlmserve.importer.graph.WeightFormat;
import org.vlmserve.onnx.GraphContract;

/**
 * The language model: inputs_embeds [B, S, H] through L layers to logits [M, V] of the rows that were asked for.
 *
 * <p>Only attention needs every row of the last layer, whose keys and values stay in the cache. What comes after it, that layer's
 * output projection and MLP, the final norm and the head, runs on the M rows alone: one, for a chunk of a prompt.
 *
 * <p>Reference: transformers 5.18, {@code Qwen2VLDecoderLayer} in modeling_qwen2_vl.py.
 */
final class Qwen2VlDecoder {

    private Qwen2VlDecoder() {}

    /** @param head [V, H]: the output layer, which may be the embedding table */
    static void build(
            OnnxGraph graph,
            Qwen2VlConfig.Text text,
            Qwen2VlTensors tensors,
            CheckpointTensor head,
            PrecisionPolicy policy) {
        int hidden = text.hidden();
        int queries = text.heads() * text.headDim();
        int keys = text.kvHeads() * text.headDim();
        Linear linear = new Linear(graph);
        RmsNorm norm = new RmsNorm(graph, linear, text.rmsNormEps());
        GatedMlp mlp = new GatedMlp(graph, linear);
        WeightFormat format = policy.format(Role.DECODER);

        Value residual = graph.input(
                GraphContract.INPUTS_EMBEDS, ElementType.FLOAT, Axis.of("B"), Axis.of("S"), Axis.of(hidden));
        Value positions =
                graph.input(GraphContract.POSITION_IDS, ElementType.INT64, Axis.of(3), Axis.of("B"), Axis.of("S"));
        Value rows = graph.input(GraphContract.ROWS, ElementType.INT64, Axis.of("M"));
        MultimodalRotary rotary = new MultimodalRotary(
                graph, positions, text.mropeSection(), text.headDim(), text.ropeTheta(), text.contextLength());
        CachedAttention attention = new CachedAttention(graph, text.heads(), text.kvHeads(), text.headDim());
        Value delta = Value.NONE;
        for (int i = 0; i < text.layers(); i++) {
            String layer = "layers." + i;
            CheckpointTensor inputNorm = tensors.text(layer + ".input_layernorm.weight", hidden);
            Value x;
            if (i == 0) {
                x = norm.apply(layer + ".input_norm", residual, inputNorm);
            } else {
                Normalized first = norm.applyAfter(layer + ".input_norm", residual, delta, inputNorm);
                x = first.values();
                residual = first.residual();
            }
            String from = layer + ".self_attn.";
            Value q = linear.apply(
                    layer + ".attn.q",
                    x,
                    tensors.text(from + "q_proj.weight", queries, hidden),
                    tensors.text(from + "q_proj.bias", queries),
                    format);
            Value k = linear.apply(
                    layer + ".attn.k",
                    x,
                    tensors.text(from + "k_proj.weight", keys, hidden),
                    tensors.text(from + "k_proj.bias", keys),
                    format);
            Value v = linear.apply(
                    layer + ".attn.v",
                    x,
                    tensors.text(from + "v_proj.weight", keys, hidden),
                    tensors.text(from + "v_proj.bias", keys),
                    format);
            Value attended = attention.apply(
                    layer + ".attn",
                    i,
                    rotary.apply(layer + ".attn.q", q, text.heads()),
                    rotary.apply(layer + ".attn.k", k, text.kvHeads()),
                    v);
            if (i == text.layers() - 1) {
                attended = select(graph, "select.attention", attended, queries, rows);
                residual = select(graph, "select.residual", residual, hidden, rows);
            }
            Value o = linear.apply(
                    layer + ".attn.o", attended, tensors.text(from + "o_proj.weight", hidden, queries), format);
            Normalized second = norm.applyAfter(
                    layer + ".mlp_norm", residual, o, tensors.text(layer + ".post_attention_layernorm.weight", hidden));
            residual = second.residual();
            delta = mlp.apply(
                    layer + ".mlp",
                    second.values(),
                    tensors.text(layer + ".mlp.gate_proj.weight", text.intermediate(), hidden),
                    tensors.text(layer + ".mlp.up_proj.weight", text.intermediate(), hidden),
                    tensors.text(layer + ".mlp.down_proj.weight", hidden, text.intermediate()),
                    format);
        }
        Value last = norm.applyLast("norm", residual, delta, tensors.text("norm.weight", hidden));
        Value scores = linear.apply("head", last, head, policy.format(Role.HEAD));
        Value logits = graph.node("logits/identity", "Identity", scores)
                .outputs(GraphContract.LOGITS)
                .getFirst();
        graph.output(logits, ElementType.FLOAT, Axis.of("M"), Axis.of(text.vocabulary()));
    }

    /** x [B, S, width] → its rows [M, width]. */
    private static Value select(OnnxGraph graph, String name, Value x, int width, Value rows) {
        Value flat = graph.node(name + "/flatten", "Reshape", x, graph.longs(-1, width))
                .output();
        return graph.node(name + "/gather", "Gather", flat, rows)
                .with("axis", 0)
                .output();
    }
}
