package org.vlmserve.importer.paligemma;

import java.util.List;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.families.paligemma.PaliGemmaConfig;
import org.vlmserve.importer.backbone.WordEmbeddings;
import org.vlmserve.importer.checkpoint.CheckpointReader;
import org.vlmserve.importer.checkpoint.CheckpointTensor;

/** The checkpoint's tensors under the names of either layout: the Hub's, and the one that transformers 5 has in memory. */
record PaliGemmaTensors(CheckpointReader checkpoint) {

    /** Such as {@code layers.0.mlp.up_proj.weight}. */
    CheckpointTensor text(String name, long... shape) {
        return checkpoint.tensor(textNames(name), shape);
    }

    private static List<String> textNames(String name) {
        return List.of("model.language_model." + name, "language_model.model." + name, "language_model." + name);
    }

    WordEmbeddings words(PaliGemmaConfig.Text text, Warnings warnings) {
        return WordEmbeddings.read(
                checkpoint,
                text.tied(),
                textNames("embed_tokens.weight"),
                List.of("lm_head.weight", "language_model.lm_head.weight", "model.lm_head.weight"),
                text.vocabulary(),
                text.hidden(),
                warnings);
    }

    /** Such as {@code encoder.layers.0.mlp.fc1.weight}. */
    CheckpointTensor vision(String name, long... shape) {
        return checkpoint.tensor(
                List.of(
                        "model.vision_tower." + name,
                        "model.vision_tower.vision_model." + name,
                        "vision_tower.vision_model." + name,
                        "vision_tower." + name),
                shape);
    }

    /** Such as {@code linear.weight}. */
    CheckpointTensor projector(String name, long... shape) {
        return checkpoint.tensor(
                List.of("model.multi_modal_projector." + name, "multi_modal_projector." + name), shape);
    }
}
