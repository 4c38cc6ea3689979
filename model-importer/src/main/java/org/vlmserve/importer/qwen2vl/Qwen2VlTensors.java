package org.vlmserve.importer.qwen2vl;

import java.util.List;
import org.vlmserve.importer.checkpoint.CheckpointReader;
import org.vlmserve.importer.checkpoint.CheckpointTensor;

/** The checkpoint's tensors under the names of either layout: the Hub's, and the one that transformers 5 has in memory. */
record Qwen2VlTensors(CheckpointReader checkpoint) {

    /** Under {@code model.} or {@code model.language_model.}, such as {@code layers.0.mlp.up_proj.weight}. */
    CheckpointTensor text(String name, long... shape) {
        return checkpoint.tensor(List.of("model.language_model." + name, "model." + name), shape);
    }

    /** Under {@code visual.} or {@code model.visual.}, such as {@code blocks.0.attn.qkv.weight}. */
    CheckpointTensor vision(String name, long... shape) {
        return checkpoint.tensor(List.of("model.visual." + name, "visual." + name), shape);
    }

    CheckpointTensor head(long... shape) {
        return checkpoint.tensor(List.of("lm_head.weight"), shape);
    }
}
