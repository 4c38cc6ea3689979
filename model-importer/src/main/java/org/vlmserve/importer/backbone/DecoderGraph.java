package org.vlmserve.importer.backbone;

import org.vlmserve.importer.checkpoint.CheckpointTensor;
import org.vlmserve.importer.checkpoint.MatrixSource;
import org.vlmserve.importer.graph.Axis;
import org.vlmserve.importer.graph.DecoderAttention;
import org.vlmserve.importer.graph.ElementType;
import org.vlmserve.importer.graph.GatedMlp;
import org.vlmserve.importer.graph.Linear;
import org.vlmserve.importer.graph.Normalized;
import org.vlmserve.importer.graph.OnnxGraph;
import org.vlmserve.importer.graph.PrecisionPolicy;
import org.vlmserve.importer.graph.PrecisionPolicy.Role;
import org.vlmserve.importer.graph.RmsNorm;
import org.vlmserve.importer.graph.Rotary;
import org.vlmserve.importer.graph.Value;
import org.vlmserve.importer.graph.WeightFormat;
import org.vlmserve.onnx.GraphContract;

/**
 * A language model: inputs_embeds [B, S, H] through L layers to logits [M, V] of the rows that were asked for.
 *
 * <p>Only attention needs every row of the last layer, whose keys and values stay in the cache. What comes after it, that layer's
 * output projection and MLP, the final norm and the head, runs on the M rows alone: one, for a chunk of a prompt.
 *
 * <p>Reference: transformers 5.18, {@code LlamaDecoderLayer} in modeling_llama.py, which those of Mistral, Gemma and others repeat,
 * and {@code Gemma2DecoderLayer} in modeling_gemma2.py.
 */
public final class DecoderGraph {

    /** The tensors of the language model by the names within it, such as {@code layers.0.mlp.up_proj.weight}. */
    @FunctionalInterface
    public interface Tensors {

        /** @throws org.vlmserve.protocol.error.VlmException {@code CHECKPOINT_UNREADABLE} for a missing or misshapen one */
        CheckpointTensor tensor(String name, long... shape);
    }

    private final OnnxGraph graph;
    private final DecoderSpec spec;
    private final Tensors tensors;
    private final Rotary rotary;
    private final DecoderAttention attention;
    private final PrecisionPolicy policy;
    private final WeightFormat format;
    private final Linear linear;

    public DecoderGraph(
            OnnxGraph graph,
            DecoderSpec spec,
            Tensors tensors,
            Rotary rotary,
            DecoderAttention attention,
            PrecisionPolicy policy) {
        this.graph = graph;
        this.spec = spec;
        this.tensors = tensors;
        this.rotary = rotary;
        this.attention = attention;
        this.policy = policy;
        this.format = policy.format(Role.DECODER);
        this.linear = new Linear(graph);
    }

    /** @param head [V, H]: the output layer, which may be the embedding table */
    public void build(MatrixSource head) {
        int hidden = spec.hidden();
        int queries = spec.heads() * spec.headDim();
        RmsNorm norm = new RmsNorm(graph, linear, spec.rmsNormEps());
        GatedMlp mlp = new GatedMlp(graph, linear, spec.activation());

        Value residual = graph.input(
                GraphContract.INPUTS_EMBEDS, ElementType.FLOAT, Axis.of("B"), Axis.of("S"), Axis.of(hidden));
        Value rows = graph.input(GraphContract.ROWS, ElementType.INT64, Axis.of("M"));
        Value delta = Value.NONE;
        for (int i = 0; i < spec.layers(); i++) {
            String layer = "layers." + i;
            MatrixSource inputNorm = normWeight(layer + ".input_layernorm.weight");
            Value x;
            if (i == 0) {
                x = norm.apply(layer + ".input_norm", residual, inputNorm);
            } else {
                Normalized first = norm.applyAfter(layer + ".input_norm", residual, delta, inputNorm);
                x = first.values();
                residual = first.residual();
            }
            Value attended = attend(layer, i, x);
            if (i == spec.layers() - 1) {
                attended = select("select.attention", attended, queries, rows);
                residual = select("select.residual", residual, hidden, rows);
            }
            Value o = linear.apply(
                    layer + ".attn.o",
                    attended,
                    tensors.tensor(layer + ".self_attn.o_proj.weight", hidden, queries),
                    format);
            String beforeMlp = layer + ".post_attention_layernorm.weight";
            if (spec.sandwichNorms()) {
                o = norm.apply(layer + ".attn_output_norm", o, normWeight(beforeMlp));
                beforeMlp = layer + ".pre_feedforward_layernorm.weight";
            }
            Normalized second = norm.applyAfter(layer + ".mlp_norm", residual, o, normWeight(beforeMlp));
            residual = second.residual();
            delta = mlp.apply(
                    layer + ".mlp",
                    second.values(),
                    tensors.tensor(layer + ".mlp.gate_proj.weight", spec.intermediate(), hidden),
                    tensors.tensor(layer + ".mlp.up_proj.weight", spec.intermediate(), hidden),
                    tensors.tensor(layer + ".mlp.down_proj.weight", hidden, spec.intermediate()),
                    format);
            if (spec.sandwichNorms()) {
                delta = norm.apply(
                        layer + ".mlp_output_norm", delta, normWeight(layer + ".post_feedforward_layernorm.weight"));
            }
        }
        Value last = norm.applyLast("norm", residual, delta, normWeight("norm.weight"));
        Value scores = linear.apply("head", last, head, policy.format(Role.HEAD));
        Value logits = graph.node("logits/identity", "Identity", scores)
                .outputs(GraphContract.LOGITS)
                .getFirst();
        graph.output(logits, ElementType.FLOAT, Axis.of("M"), Axis.of(spec.vocabulary()));
    }

    private MatrixSource normWeight(String name) {
        MatrixSource weight = tensors.tensor(name, spec.hidden());
        return spec.unitOffsetNorms() ? MatrixSource.plus(weight, 1) : weight;
    }

    /** x [B, S, H] → [B, S, heads · headDim]. */
    private Value attend(String layer, int index, Value x) {
        int queries = spec.heads() * spec.headDim();
        int keys = spec.kvHeads() * spec.headDim();
        Value q = project(layer, "q", x, queries);
        Value k = project(layer, "k", x, keys);
        Value v = project(layer, "v", x, keys);
        return attention.apply(
                layer + ".attn",
                index,
                rotary.apply(layer + ".attn.q", q, spec.heads()),
                rotary.apply(layer + ".attn.k", k, spec.kvHeads()),
                v);
    }

    private Value project(String layer, String what, Value x, int width) {
        String from = layer + ".self_attn." + what + "_proj.";
        CheckpointTensor weight = tensors.tensor(from + "weight", width, spec.hidden());
        String name = layer + ".attn." + what;
        return spec.queryKeyValueBias()
                ? linear.apply(name, x, weight, tensors.tensor(from + "bias", width), format)
                : linear.apply(name, x, weight, format);
    }

    /** x [B, S, width] → its rows [M, width]. */
    private Value select(String name, Value x, int width, Value rows) {
        Value flat = graph.node(name + "/flatten", "Reshape", x, graph.longs(-1, width))
                .output();
        return graph.node(name + "/gather", "Gather", flat, rows)
                .with("axis", 0)
                .output();
    }
}
