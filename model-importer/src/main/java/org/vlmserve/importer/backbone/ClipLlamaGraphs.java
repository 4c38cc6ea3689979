package org.vlmserve.importer.backbone;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.vlmserve.families.backbone.ClipLlamaCheckpoint;
import org.vlmserve.families.backbone.ClipTower;
import org.vlmserve.families.backbone.LlamaDecoder;
import org.vlmserve.families.backbone.MlpProjector;
import org.vlmserve.families.backbone.VisionFeatures;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.importer.checkpoint.CheckpointReader;
import org.vlmserve.importer.checkpoint.CheckpointTensor;
import org.vlmserve.importer.graph.Activation;
import org.vlmserve.importer.graph.CachedAttention;
import org.vlmserve.importer.graph.OnnxGraph;
import org.vlmserve.importer.graph.PlainRotary;
import org.vlmserve.importer.graph.PrecisionPolicy;
import org.vlmserve.importer.graph.WeightFile;
import org.vlmserve.onnx.GraphContract;

/**
 * The graphs of a checkpoint in the Hub's layout that is made of a CLIP tower, a projector of two layers and a Llama or Mistral
 * decoder. Tensors are found under the names of transformers 4 and 5.
 */
public final class ClipLlamaGraphs {

    private final CheckpointReader tensors;
    private final ClipLlamaCheckpoint checkpoint;
    private final PrecisionPolicy policy;
    private final WordEmbeddings words;

    /** @param warnings is told of what the checkpoint's tensors and configuration do not agree on */
    public ClipLlamaGraphs(
            CheckpointReader tensors, ClipLlamaCheckpoint checkpoint, PrecisionPolicy policy, Warnings warnings) {
        this.tensors = tensors;
        this.checkpoint = checkpoint;
        this.policy = policy;
        LlamaDecoder decoder = checkpoint.decoder();
        this.words = WordEmbeddings.read(
                tensors,
                decoder.tied(),
                textNames("embed_tokens.weight"),
                List.of("lm_head.weight", "language_model.lm_head.weight", "model.lm_head.weight"),
                decoder.vocabulary(),
                decoder.hidden(),
                warnings);
        tensors.leaveOut(unneeded(checkpoint.tower(), checkpoint.features()));
    }

    /** Names of a tower's tensors that its features do not need: blocks behind the last of them and the norm at the end. */
    public static Predicate<String> unneeded(ClipTower tower, VisionFeatures features) {
        Pattern block = Pattern.compile("(?:.*\\.)?encoder\\.layers\\.(\\d{1,9})\\..*");
        int last = Collections.max(features.layers());
        return name -> {
            Matcher matcher = block.matcher(name);
            if (matcher.matches()) {
                int index = Integer.parseInt(matcher.group(1));
                return index >= last && index < tower.layers();
            }
            return name.endsWith("post_layernorm.weight") || name.endsWith("post_layernorm.bias");
        };
    }

    public OnnxGraph encoder() {
        return encoder(checkpoint.tower(), checkpoint.features(), this::tower, policy);
    }

    /** The graph of a CLIP tower. */
    public static OnnxGraph encoder(
            ClipTower tower, VisionFeatures features, VisionTowerGraph.Tensors tensors, PrecisionPolicy policy) {
        OnnxGraph graph = new OnnxGraph("encoder", new WeightFile(GraphContract.WEIGHTS));
        VisionTowerSpec spec = new VisionTowerSpec(
                tower.width(),
                tower.intermediate(),
                tower.heads(),
                tower.imageSize(),
                tower.patchSize(),
                tower.layerNormEps(),
                Activation.of(tower.hiddenAct()),
                true,
                false,
                true,
                false,
                features.layers(),
                features.classToken());
        new VisionTowerGraph(graph, spec, tensors, policy).build();
        return graph;
    }

    public OnnxGraph projector() {
        MlpProjector projector = checkpoint.projector();
        int hidden = checkpoint.decoder().hidden();
        long features = (long) checkpoint.tower().width()
                * checkpoint.features().layers().size();
        OnnxGraph graph = new OnnxGraph("projector", new WeightFile(GraphContract.WEIGHTS));
        new ProjectorGraph(graph, policy)
                .build(
                        layer("linear_1", hidden, features),
                        Activation.of(projector.hiddenAct()),
                        layer("linear_2", hidden, hidden));
        return graph;
    }

    private ProjectorGraph.Layer layer(String name, long out, long in) {
        String from = "multi_modal_projector." + name + ".";
        return new ProjectorGraph.Layer(
                tensor(from + "weight", out, in), checkpoint.projector().bias() ? tensor(from + "bias", out) : null);
    }

    public OnnxGraph decoder() {
        return decoder(checkpoint.decoder(), this::text, words.head(), policy);
    }

    /**
     * The graph of a Llama or Mistral decoder.
     *
     * @param head [V, H]: the output layer, which may be the embedding table
     */
    public static OnnxGraph decoder(
            LlamaDecoder decoder, DecoderGraph.Tensors tensors, CheckpointTensor head, PrecisionPolicy policy) {
        OnnxGraph graph = new OnnxGraph("decoder", new WeightFile(GraphContract.WEIGHTS));
        DecoderSpec spec = new DecoderSpec(
                decoder.hidden(),
                decoder.intermediate(),
                decoder.layers(),
                decoder.heads(),
                decoder.kvHeads(),
                decoder.headDim(),
                decoder.vocabulary(),
                decoder.rmsNormEps(),
                false,
                false,
                false,
                Activation.SILU);
        PlainRotary rotary =
                new PlainRotary(graph, decoder.rotary().inverseFrequencies(decoder.headDim()), decoder.contextLength());
        Integer window = decoder.slidingWindow();
        CachedAttention attention = window == null
                ? new CachedAttention(graph, decoder.heads(), decoder.kvHeads(), decoder.headDim())
                : new CachedAttention(graph, decoder.heads(), decoder.kvHeads(), decoder.headDim(), window);
        new DecoderGraph(graph, spec, tensors, rotary, attention, policy).build(head);
        return graph;
    }

    /** [V, H] */
    public CheckpointTensor embeddings() {
        return words.table();
    }

    /** A tensor that stands beside towers and language model. */
    public CheckpointTensor tensor(String name, long... shape) {
        return tensors.tensor(List.of("model." + name, name), shape);
    }

    private CheckpointTensor text(String name, long... shape) {
        return tensors.tensor(textNames(name), shape);
    }

    private static List<String> textNames(String name) {
        return List.of("model.language_model." + name, "language_model.model." + name, "language_model." + name);
    }

    private CheckpointTensor tower(String name, long... shape) {
        List<String> names = new ArrayList<>();
        for (String from : List.of("model.vision_tower.", "vision_tower.")) {
            names.add(from + name);
            names.add(from + "vision_model." + name);
        }
        return tensors.tensor(names, shape);
    }
}
