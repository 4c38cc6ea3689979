package org.vlmserve.importer.llava;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.vlmserve.families.checkpoint.CheckpointJson;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.families.llava.OriginalConfig;
import org.vlmserve.importer.Architecture;
import org.vlmserve.importer.Blueprint;
import org.vlmserve.importer.ImportOptions;
import org.vlmserve.importer.backbone.ClipLlamaGraphs;
import org.vlmserve.importer.backbone.ProjectorGraph;
import org.vlmserve.importer.backbone.WordEmbeddings;
import org.vlmserve.importer.checkpoint.CheckpointReader;
import org.vlmserve.importer.checkpoint.CheckpointTensor;
import org.vlmserve.importer.graph.Activation;
import org.vlmserve.importer.graph.OnnxGraph;
import org.vlmserve.importer.graph.PrecisionPolicy;
import org.vlmserve.importer.graph.WeightFile;
import org.vlmserve.onnx.GraphContract;

/** LLaVA checkpoints in the layout of the original repository, with the vision tower from a directory of its own. */
public final class OriginalArchitecture implements Architecture {

    /** What a tower's checkpoint holds beside the tower where it is that of the whole model. */
    private static final Pattern WHOLE_CLIP =
            Pattern.compile("text_model\\..*|(text|visual)_projection\\..*|logit_scale");

    @Override
    public String family() {
        return OriginalConfig.FAMILY;
    }

    @Override
    public boolean reads(CheckpointJson config) {
        return OriginalConfig.reads(config);
    }

    @Override
    public boolean takesVisionTower() {
        return true;
    }

    @Override
    public Blueprint blueprint(
            CheckpointReader checkpoint, ImportOptions options, Instant importedAt, Warnings warnings) {
        OriginalConfig config =
                OriginalConfig.read(checkpoint.directory(), options.visionTower(), options.chatTemplate(), warnings);
        PrecisionPolicy policy = new PrecisionPolicy(options.precision());
        int hidden = config.decoder().hidden();
        int vocabulary = config.decoder().vocabulary();
        WordEmbeddings words = WordEmbeddings.read(
                checkpoint,
                config.decoder().tied(),
                List.of("model.embed_tokens.weight"),
                List.of("lm_head.weight"),
                vocabulary,
                hidden,
                warnings);
        return new Blueprint(
                config.manifest(
                        options.precision().wireName(),
                        importedAt,
                        words.table().dtype()),
                encoder(checkpoint, config, policy),
                projector(checkpoint, config, policy),
                ClipLlamaGraphs.decoder(
                        config.decoder(), (name, shape) -> text(checkpoint, name, shape), words.head(), policy),
                List.of(words.table()),
                config.tokenizer());
    }

    private static OnnxGraph encoder(CheckpointReader checkpoint, OriginalConfig config, PrecisionPolicy policy) {
        CheckpointReader tower = config.ownTower() ? checkpoint : checkpoint.beside(config.towerDirectory());
        List<String> places = config.ownTower()
                ? List.of("model.vision_tower.vision_tower.vision_model.", "model.vision_tower.vision_tower.")
                : List.of("vision_model.", "");
        tower.leaveOut(ClipLlamaGraphs.unneeded(config.tower(), config.features()));
        if (!config.ownTower()) {
            tower.leaveOut(WHOLE_CLIP.asMatchPredicate());
        }
        return ClipLlamaGraphs.encoder(
                config.tower(),
                config.features(),
                (name, shape) -> {
                    List<String> names = new ArrayList<>();
                    places.forEach(place -> names.add(place + name));
                    return tower.tensor(names, shape);
                },
                policy);
    }

    private static OnnxGraph projector(CheckpointReader checkpoint, OriginalConfig config, PrecisionPolicy policy) {
        int hidden = config.decoder().hidden();
        int features = config.tower().width();
        OnnxGraph graph = new OnnxGraph("projector", new WeightFile(GraphContract.WEIGHTS));
        ProjectorGraph projector = new ProjectorGraph(graph, policy);
        if (config.linearProjector()) {
            projector.build(layer(checkpoint, "", hidden, features));
        } else {
            projector.build(
                    layer(checkpoint, "0.", hidden, features),
                    Activation.GELU,
                    layer(checkpoint, "2.", hidden, hidden));
        }
        return graph;
    }

    private static ProjectorGraph.Layer layer(CheckpointReader checkpoint, String place, int out, int in) {
        String from = "model.mm_projector." + place;
        return new ProjectorGraph.Layer(
                checkpoint.tensor(List.of(from + "weight"), out, in), checkpoint.tensor(List.of(from + "bias"), out));
    }

    private static CheckpointTensor text(CheckpointReader checkpoint, String name, long... shape) {
        return checkpoint.tensor(List.of("model." + name), shape);
    }
}
