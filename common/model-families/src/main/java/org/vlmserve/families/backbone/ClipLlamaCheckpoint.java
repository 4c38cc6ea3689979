package org.vlmserve.families.backbone;

import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.bundle.BundleSections;
import org.vlmserve.families.checkpoint.ChatTemplates;
import org.vlmserve.families.checkpoint.CheckpointConfig;
import org.vlmserve.families.checkpoint.CheckpointJson;
import org.vlmserve.families.checkpoint.GenerationDefaults;
import org.vlmserve.families.checkpoint.TokenizerFiles;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.families.prompt.PlaceholderPrompt;
import org.vlmserve.protocol.tensor.DType;

/**
 * What the JSON files of a checkpoint in the Hub's layout say that is made of a CLIP tower, a projector of two layers and a Llama
 * or Mistral decoder.
 *
 * @param config its config.json
 * @param tokenizer what becomes the bundle's tokenizer.json
 */
public record ClipLlamaCheckpoint(
        CheckpointJson config,
        ClipTower tower,
        VisionFeatures features,
        MlpProjector projector,
        LlamaDecoder decoder,
        PlaceholderPrompt prompt,
        BundleManifest.Generation generation,
        String chatTemplate,
        TokenizerFiles tokenizer) {

    private static final int IMAGE_TOKEN = 32000;

    /**
     * @param modelType that config.json must name
     * @param tiedByText as in {@link LlamaDecoder#read}
     * @param chatTemplate a file that takes the place of the checkpoint's chat template
     * @param warnings is told of what is not refused
     * @throws org.vlmserve.protocol.error.VlmException {@code CHECKPOINT_UNREADABLE} for a file or key that is missing or
     *     malformed, {@code CHECKPOINT_UNSUPPORTED} for what is not built
     */
    public static ClipLlamaCheckpoint read(
            Path checkpoint, String modelType, boolean tiedByText, @Nullable Path chatTemplate, Warnings warnings) {
        CheckpointJson config = CheckpointConfig.read(checkpoint);
        if (!modelType.equals(config.optionalString("model_type"))) {
            throw config.unsupported("model_type", modelType);
        }
        ClipTower tower = ClipTower.nested(config);
        LlamaDecoder decoder = LlamaDecoder.read(config, config.object("text_config"), "llama", tiedByText);
        TokenizerFiles tokenizer =
                TokenizerFiles.read(checkpoint, config, modelType, decoder.vocabulary(), List.of(), warnings);
        // transformers' attribute map: image_token_id is an alias, and wins where both stand.
        String imageToken = config.has("image_token_id") ? "image_token_id" : "image_token_index";
        return new ClipLlamaCheckpoint(
                config,
                tower,
                VisionFeatures.read(config, tower),
                MlpProjector.read(config),
                decoder,
                tokenizer.prompt(config, imageToken, config.intValue(imageToken, IMAGE_TOKEN)),
                GenerationDefaults.read(checkpoint, decoder.eosTokenIds(), warnings),
                ChatTemplates.require(checkpoint, chatTemplate),
                tokenizer);
    }

    /**
     * The manifest, without its revision.
     *
     * @param preprocessing the family's own section
     * @param learnedRows vectors that are no tokens, behind the vocabulary in the embedding table
     * @param embeddingDtype element type of that table
     */
    public BundleManifest manifest(
            String family,
            String precision,
            Instant importedAt,
            Object preprocessing,
            int learnedRows,
            DType embeddingDtype) {
        return new BundleManifest(
                BundleManifest.FORMAT,
                family,
                "",
                precision,
                importedAt,
                new BundleManifest.Encoder(tower.width() * features.layers().size()),
                new BundleManifest.Projector(1),
                decoder.section(learnedRows, embeddingDtype),
                generation,
                BundleSections.of(preprocessing),
                BundleSections.of(prompt),
                BundleManifest.Checkpoint.UNREMARKABLE,
                chatTemplate);
    }
}
