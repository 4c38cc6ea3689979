package org.vlmserve.system;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.importer.ImportOptions;
import org.vlmserve.importer.Importer;
import org.vlmserve.importer.Precision;
import org.vlmserve.importer.ProgressListener;
import org.vlmserve.testing.GoldenCheckpoint;

/** Bundles for tests, imported once for each run of the tests. */
final class Bundles {

    static final Path ROOT = Path.of(System.getProperty("vlm.root"));

    private static final Path DIRECTORY = ROOT.resolve("system-tests/target/bundles");
    private static final Map<String, Bundle> IMPORTED = new HashMap<>();

    private Bundles() {}

    /** The checkpoint that the repository ships and that is meant when none is named. */
    static Path shippedCheckpoint() {
        try {
            return ROOT.resolve("models")
                    .resolve(Files.readString(ROOT.resolve("models/default")).strip());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The bundle of a golden checkpoint, with its vision tower where that stands apart. */
    static Bundle imported(GoldenCheckpoint checkpoint, Precision precision) {
        return imported(checkpoint.directory(), ImportOptions.of(precision, checkpoint.visionTower()));
    }

    static Bundle imported(Path checkpoint, Precision precision) {
        return imported(checkpoint, ImportOptions.of(precision));
    }

    /** The bundle of a checkpoint, imported by the first test that asks for it. */
    private static synchronized Bundle imported(Path checkpoint, ImportOptions options) {
        String name = ROOT.relativize(checkpoint).toString().replaceAll("\\W+", "-") + "-" + options.precision();
        return IMPORTED.computeIfAbsent(name, absent -> {
            try {
                Path directory = Files.createTempDirectory(Files.createDirectories(DIRECTORY), name)
                        .resolve("bundle");
                return Importer.importCheckpoint(checkpoint, directory, options, ProgressListener.SILENT);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
    }
}
