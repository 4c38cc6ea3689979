package org.vlmserve.families.llava;

import java.nio.file.Path;
import java.time.Instant;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.backbone.ClipLlamaCheckpoint;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.checkpoint.PictureProcessor;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.protocol.tensor.DType;

/**
 * What the JSON files of a LLaVA-1.5 checkpoint say. An omitted key has the default of transformers' class (5.18,
 * {@code configuration_llava.py}, {@code image_processing_pil_clip.py}, {@code image_processing_pil_llava.py}).
 */
public record LlavaConfig(ClipLlamaCheckpoint parts, LlavaPreprocessing preprocessing) {

    /** {@code model_type} of the checkpoints that this reads. */
    public static final String MODEL_TYPE = "llava";

    /** As {@link ClipLlamaCheckpoint#read}. */
    public static LlavaConfig read(Path checkpoint, @Nullable Path chatTemplate, Warnings warnings) {
        ClipLlamaCheckpoint parts = ClipLlamaCheckpoint.read(checkpoint, MODEL_TYPE, true, chatTemplate, warnings);
        return new LlavaConfig(
                parts, LlavaPreprocessing.read(PictureProcessor.read(checkpoint), parts.tower(), parts.features()));
    }

    /** As {@link ClipLlamaCheckpoint#manifest}. */
    public BundleManifest manifest(String precision, Instant importedAt, DType embeddingDtype) {
        return parts.manifest(MODEL_TYPE, precision, importedAt, preprocessing, 0, embeddingDtype);
    }
}
