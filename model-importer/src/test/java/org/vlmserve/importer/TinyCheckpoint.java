package org.vlmserve.importer;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.vlmserve.importer.checkpoint.EditedWeights;
import org.vlmserve.testing.GoldenCheckpoint;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** A copy of a golden checkpoint without its weights, which a test adds in its own way. */
record TinyCheckpoint(Path directory, EditedWeights weights) {

    /** @param directory made here */
    static TinyCheckpoint copy(GoldenCheckpoint golden, Path directory) {
        try {
            Files.createDirectories(directory);
            try (Stream<Path> files = Files.list(golden.directory())) {
                for (Path file : files.filter(f -> !f.toString().matches(".*(safetensors|\\.bin)(\\.index\\.json)?"))
                        .toList()) {
                    Files.copy(file, directory.resolve(file.getFileName()));
                }
            }
            return new TinyCheckpoint(directory, EditedWeights.of(golden.directory()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    Path file(String name) {
        return directory.resolve(name);
    }

    TinyCheckpoint config(Consumer<ObjectNode> change) {
        try {
            ObjectNode config = (ObjectNode) JsonMapper.shared().readTree(Files.readAllBytes(file("config.json")));
            change.accept(config);
            Files.writeString(file("config.json"), config.toString());
            return this;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Writes the weights as they are into one file under the usual name. */
    TinyCheckpoint save() {
        weights.save(file("model.safetensors"));
        return this;
    }
}
