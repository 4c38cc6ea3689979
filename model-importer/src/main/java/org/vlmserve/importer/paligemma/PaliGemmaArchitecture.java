package org.vlmserve.importer.paligemma;

import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.checkpoint.CheckpointJson;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.families.paligemma.PaliGemmaConfig;
import org.vlmserve.importer.Architecture;
import org.vlmserve.importer.Blueprint;
import org.vlmserve.importer.ImportOptions;
import org.vlmserve.importer.backbone.DecoderGraph;
import org.vlmserve.importer.backbone.DecoderSpec;
import org.vlmserve.importer.backbone.VisionTowerGraph;
import org.vlmserve.importer.backbone.VisionTowerSpec;
import org.vlmserve.importer.backbone.WordEmbeddings;
import org.vlmserve.importer.checkpoint.CheckpointReader;
import org.vlmserve.importer.checkpoint.CheckpointTensor;
import org.vlmserve.importer.graph.Activation;
import org.vlmserve.importer.graph.Axis;
import org.vlmserve.importer.graph.ElementType;
import org.vlmserve.importer.graph.Linear;
import org.vlmserve.importer.graph.OnnxGraph;
import org.vlmserve.importer.graph.PlainRotary;
import org.vlmserve.importer.graph.PrecisionPolicy;
import org.vlmserve.importer.graph.PrecisionPolicy.Role;
import org.vlmserve.importer.graph.PrefixAttention;
import org.vlmserve.importer.graph.Value;
import org.vlmserve.importer.graph.WeightFile;
import org.vlmserve.onnx.GraphContract;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * PaliGemma and PaliGemma 2 checkpoints of any size. Logits are not capped: {@code PaliGemmaForConditionalGeneration.forward} in
 * transformers 5.18's modeling_paligemma.py leaves {@code final_logit_softcapping} out, whatever the decoder's own class does.
 */
public final class PaliGemmaArchitecture implements Architecture {

    @Override
    public String family() {
        return PaliGemmaConfig.MODEL_TYPE;
    }

    @Override
    public boolean reads(CheckpointJson config) {
        return PaliGemmaConfig.MODEL_TYPE.equals(config.optionalString("model_type"));
    }

    @Override
    public Blueprint blueprint(
            CheckpointReader checkpoint, ImportOptions options, Instant importedAt, Warnings warnings) {
        refuse("--vision-tower", options.visionTower(), "has its vision tower in it");
        refuse("--chat-template", options.chatTemplate(), "takes one text as its prompt, without a template");
        PaliGemmaConfig config = PaliGemmaConfig.read(checkpoint.directory(), warnings);
        PaliGemmaTensors tensors = new PaliGemmaTensors(checkpoint);
        PrecisionPolicy policy = new PrecisionPolicy(options.precision());
        PaliGemmaConfig.Text text = config.text();
        WordEmbeddings words = tensors.words(text, warnings);
        // The tower's pooling head.
        checkpoint.leaveOut(name -> name.contains("vision_tower.head.") || name.contains("vision_model.head."));

        OnnxGraph encoder = new OnnxGraph("encoder", new WeightFile(GraphContract.WEIGHTS));
        new VisionTowerGraph(encoder, tower(config.vision()), tensors::vision, policy).build();
        OnnxGraph projector = new OnnxGraph("projector", new WeightFile(GraphContract.WEIGHTS));
        project(projector, config, tensors, policy);
        OnnxGraph decoder = new OnnxGraph("decoder", new WeightFile(GraphContract.WEIGHTS));
        decode(decoder, text, tensors, words.head(), policy);

        BundleManifest manifest = new BundleManifest(
                BundleManifest.FORMAT,
                family(),
                "",
                options.precision().wireName(),
                importedAt,
                config.encoder(),
                config.projector(),
                config.decoder(words.table().dtype()),
                config.generation(),
                config.preprocessingSection(),
                config.promptSection(),
                BundleManifest.Checkpoint.UNREMARKABLE,
                null);
        return new Blueprint(manifest, encoder, projector, decoder, List.of(words.table()), config.tokenizer());
    }

    private static void refuse(String option, @Nullable Path given, String why) {
        if (given != null) {
            throw new VlmException(
                    ErrorCode.INVALID_REQUEST,
                    option + " is " + given + "; this checkpoint " + why + ", leave the option out");
        }
    }

    private static VisionTowerSpec tower(PaliGemmaConfig.Vision vision) {
        return new VisionTowerSpec(
                vision.width(),
                vision.intermediate(),
                vision.heads(),
                vision.imageSize(),
                vision.patchSize(),
                vision.layerNormEps(),
                Activation.of(vision.hiddenAct()),
                false,
                true,
                false,
                true,
                List.of(vision.layers()),
                false);
    }

    /** One linear layer. Its rows enter the prompt as they are: only a text's embeddings are scaled. */
    private static void project(
            OnnxGraph graph, PaliGemmaConfig config, PaliGemmaTensors tensors, PrecisionPolicy policy) {
        int width = config.vision().width();
        int hidden = config.text().hidden();
        Value features = graph.input(GraphContract.FEATURES, ElementType.FLOAT, Axis.of("M"), Axis.of(width));
        Value projected = new Linear(graph)
                .apply(
                        "linear",
                        features,
                        tensors.projector("linear.weight", hidden, width),
                        tensors.projector("linear.bias", hidden),
                        policy.format(Role.PROJECTOR));
        Value embeddings = graph.node("embeddings/identity", "Identity", projected)
                .outputs(GraphContract.EMBEDDINGS)
                .getFirst();
        graph.output(embeddings, ElementType.FLOAT, Axis.of("M"), Axis.of(hidden));
    }

    private static void decode(
            OnnxGraph graph,
            PaliGemmaConfig.Text text,
            PaliGemmaTensors tensors,
            CheckpointTensor head,
            PrecisionPolicy policy) {
        DecoderSpec spec = new DecoderSpec(
                text.hidden(),
                text.intermediate(),
                text.layers(),
                text.heads(),
                text.kvHeads(),
                text.headDim(),
                text.vocabulary(),
                text.rmsNormEps(),
                false,
                true,
                text.sandwichNorms(),
                Activation.of(text.hiddenAct()));
        PrefixAttention attention = new PrefixAttention(
                graph,
                text.heads(),
                text.kvHeads(),
                text.headDim(),
                text.attentionScale(),
                text.attentionSoftcap(),
                text.windows()::get);
        // Positions start at 1, so that the last one is the context's length.
        PlainRotary rotary = new PlainRotary(graph, text.headDim(), text.ropeTheta(), text.contextLength() + 1);
        new DecoderGraph(graph, spec, tensors::text, rotary, attention, policy).build(head);
    }
}
