package org.vlmserve.importer.paligemma;

import java.util.List;
import org.vlmserve.importer.checkpoint.CheckpointReader;
import org.vlmserve.importer.checkpoint.CheckpointTensor;

/** The checkpoint's tensors under the names of either layout: the Hub's, and the one that transformers 5 has in memory. */
record PaliGemmaTensors(CheckpointReader checkpoint) {

    /** Such as {@code layers.0.mlp.up_proj.weight}. */
    CheckpointTensor text(String name, long... shape) {
        return checkpoint.tensor(List.of("model.language_model." + name, "language_model.model." + name), shape);
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

    CheckpointTensor head(long... shape) {
        return checkpoint.tensor(List.of("lm_head.weight", "language_model.lm_head.weight"), shape);
    }
}
