package org.vlmserve.families.llavanext;

import java.nio.file.Path;
import java.time.Instant;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.backbone.ClipLlamaCheckpoint;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.checkpoint.PictureProcessor;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.protocol.tensor.DType;

/**
 * What the JSON files of a LLaVA-NeXT checkpoint say. An omitted key has the default of transformers' class (5.18,
 * {@code configuration_llava_next.py}, {@code image_processing_pil_llava_next.py}).
 */
public record LlavaNextConfig(ClipLlamaCheckpoint parts, LlavaNextPreprocessing preprocessing) {

    /** {@code model_type} of the checkpoints that this reads. */
    public static final String MODEL_TYPE = "llava_next";

    /** As {@link ClipLlamaCheckpoint#read}. */
    public static LlavaNextConfig read(Path checkpoint, @Nullable Path chatTemplate, Warnings warnings) {
        ClipLlamaCheckpoint parts = ClipLlamaCheckpoint.read(checkpoint, MODEL_TYPE, false, chatTemplate, warnings);
        if (parts.features().classToken()) {
            // The reference lays the rows out as a square of patches, which one row more is not.
            throw parts.config().unsupported("vision_feature_select_strategy", "default");
        }
        return new LlavaNextConfig(
                parts, LlavaNextPreprocessing.read(PictureProcessor.read(checkpoint), parts.config(), parts.tower()));
    }

    /** As {@link ClipLlamaCheckpoint#manifest}; the newline is the row behind the vocabulary. */
    public BundleManifest manifest(String precision, Instant importedAt, DType embeddingDtype) {
        return parts.manifest(MODEL_TYPE, precision, importedAt, preprocessing, 1, embeddingDtype);
    }
}
