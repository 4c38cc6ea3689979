package org.vlmserve.importer;

import java.time.Instant;
import org.vlmserve.families.checkpoint.CheckpointJson;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.importer.checkpoint.CheckpointReader;

/** How checkpoints of one architecture become graphs. Found through {@link java.util.ServiceLoader}. */
public interface Architecture {

    /** {@link org.vlmserve.families.ModelFamily#id()} of the bundles that it makes. */
    String family();

    /**
     * Whether this architecture reads a checkpoint.
     *
     * @param config its config.json
     */
    boolean reads(CheckpointJson config);

    /** Whether the vision tower comes in a directory of its own, {@link ImportOptions#visionTower()}. */
    default boolean takesVisionTower() {
        return false;
    }

    /**
     * Builds the graphs; no weight is read yet.
     *
     * @param warnings is told of what is not refused
     * @throws org.vlmserve.protocol.error.VlmException {@code CHECKPOINT_UNREADABLE}, {@code CHECKPOINT_UNSUPPORTED}
     */
    Blueprint blueprint(CheckpointReader checkpoint, ImportOptions options, Instant importedAt, Warnings warnings);
}
