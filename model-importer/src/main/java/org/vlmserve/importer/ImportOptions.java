package org.vlmserve.importer;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * What a caller chooses.
 *
 * @param visionTower directory of the vision encoder's own checkpoint, for a checkpoint that only names it
 * @param chatTemplate a Jinja file that takes the place of the checkpoint's chat template
 */
public record ImportOptions(
        Precision precision,
        @Nullable Path visionTower,
        @Nullable Path chatTemplate) {

    public static ImportOptions of(Precision precision) {
        return of(precision, null);
    }

    public static ImportOptions of(Precision precision, @Nullable Path visionTower) {
        return new ImportOptions(precision, visionTower, null);
    }
}
