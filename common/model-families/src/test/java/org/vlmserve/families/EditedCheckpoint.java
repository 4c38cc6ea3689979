package org.vlmserve.families;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** A golden checkpoint's JSON files, to be changed by a test. */
public record EditedCheckpoint(Path directory) {

    private static final JsonMapper JSON = JsonMapper.shared();

    /** Copies everything but the weights into {@code directory}. */
    public static EditedCheckpoint copy(String family, String name, Path directory) {
        try (Stream<Path> files =
                Files.list(Goldens.find().checkpoint(family, name).directory())) {
            for (Path file :
                    files.filter(f -> !f.toString().contains("safetensors")).toList()) {
                Files.copy(file, directory.resolve(file.getFileName()));
            }
            return new EditedCheckpoint(directory);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Sets a key.
     *
     * @param pointer the key, or an object's and its own with a slash between
     * @param value JSON, or an empty text to remove the key
     */
    public EditedCheckpoint set(String file, String pointer, String value) {
        try {
            Path path = directory.resolve(file);
            ObjectNode tree = (ObjectNode) JSON.readTree(Files.readAllBytes(path));
            String[] steps = pointer.split("/", -1);
            ObjectNode parent = steps.length == 1 ? tree : (ObjectNode) tree.path(steps[0]);
            JsonNode node = value.isEmpty() ? JSON.missingNode() : JSON.readTree(value);
            if (node.isMissingNode()) {
                parent.remove(steps[steps.length - 1]);
            } else {
                parent.set(steps[steps.length - 1], node);
            }
            Files.write(path, JSON.writeValueAsBytes(tree));
            return this;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
