package org.vlmserve.system;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** Bundles for tests, imported once for each run of the module. */
final class Bundles {

    static final Path ROOT = Path.of(System.getProperty("vlm.root"));

    private static final Path DIRECTORY = ROOT.resolve("system-tests/target/bundles");

    private Bundles() {}

    /** The checkpoint that the repository ships. */
    static Path shippedCheckpoint() {
        try (Stream<Path> models = Files.list(ROOT.resolve("models"))) {
            return models.filter(model -> Files.exists(model.resolve("config.json")))
                    .findFirst()
                    .orElseThrow(() -> new IllegalStateException("models/ holds no checkpoint"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Imports a checkpoint as an operator does, with the command of {@code bin/vlm import}. */
    static synchronized Path imported(Path checkpoint, String precision) {
        Path bundle = DIRECTORY.resolve(ROOT.relativize(checkpoint).toString().replaceAll("\\W+", "-") + "-" + precision);
        if (!Files.exists(bundle)) {
            try {
                Files.createDirectories(DIRECTORY);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            ServiceProcess.runToEnd("importer", checkpoint.toString(), bundle.toString(), "--precision", precision);
        }
        return bundle;
    }
}
