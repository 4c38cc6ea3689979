package org.vlmserve.families.checkpoint;

import java.nio.file.Path;

/** Where a checkpoint says how pictures are prepared. */
public final class PictureProcessor {

    private PictureProcessor() {}

    /**
     * The image processor's settings: the object in {@code processor_config.json}, as transformers 5 writes it, or else
     * {@code preprocessor_config.json}.
     *
     * @throws org.vlmserve.protocol.error.VlmException {@code CHECKPOINT_UNREADABLE} if there is neither
     */
    public static CheckpointJson read(Path checkpoint) {
        CheckpointJson processor = CheckpointJson.readIfPresent(checkpoint.resolve("processor_config.json"));
        return processor != null && processor.has("image_processor")
                ? processor.object("image_processor")
                : CheckpointJson.read(checkpoint.resolve("preprocessor_config.json"));
    }
}
