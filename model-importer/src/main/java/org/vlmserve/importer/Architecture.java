package org.vlmserve.importer;

import java.time.Instant;
import org.vlmserve.importer.checkpoint.CheckpointReader;

/** How checkpoints of one architecture become graphs. Found through {@link java.util.ServiceLoader}. */
public interface Architecture {

    /** {@code model_type} in config.json. */
    String modelType();

    /**
     * Builds the graphs; no weight is read yet.
     *
     * @throws org.vlmserve.protocol.error.VlmException {@code CHECKPOINT_UNREADABLE}, {@code CHECKPOINT_UNSUPPORTED}
     */
    Blueprint blueprint(CheckpointReader checkpoint, Precision precision, Instant importedAt);
}
