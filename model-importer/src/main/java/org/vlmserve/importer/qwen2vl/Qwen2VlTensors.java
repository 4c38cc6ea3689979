package org.vlmserve.importer.qwen2vl;

import java.util.List;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.families.qwen2vl.Qwen2VlConfig;
import org.vlmserve.importer.backbone.WordEmbeddings;
import org.vlmserve.importer.checkpoint.CheckpointReader;
import org.vlmserve.importer.checkpoint.CheckpointTensor;

/** The checkpoint's tensors under the names of either layout: the Hub's, and the one that transformers 5 has in memory. */
record Qwen2VlTensors(CheckpointReader checkpoint) {

    /** Such as {@code layers.0.mlp.up_proj.weight}. */
    CheckpointTensor text(String name, long... shape) {
        return checkpoint.tensor(textNames(name), shape);
    }

    private static List<String> textNames(String name) {
        return List.of("model.language_model." + name, "model." + name, "language_model." + name);
    }

    WordEmbeddings words(Qwen2VlConfig.Text text, Warnings warnings) {
        return WordEmbeddings.read(
                checkpoint,
                text.tied(),
                textNames("embed_tokens.weight"),
                List.of("lm_head.weight"),
                text.vocabulary(),
                text.hidden(),
                warnings);
    }

    /** Such as {@code blocks.0.attn.qkv.weight}. */
    CheckpointTensor vision(String name, long... shape) {
        return checkpoint.tensor(List.of("model.visual." + name, "visual." + name), shape);
    }
}
