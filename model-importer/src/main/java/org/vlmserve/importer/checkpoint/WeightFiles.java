package org.vlmserve.importer.checkpoint;

import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.checkpoint.CheckpointDirectory;
import org.vlmserve.families.checkpoint.CheckpointJson;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.databind.JsonNode;

/**
 * The files that hold a checkpoint's weights, in the order in which they are read. Which they are follows transformers 5.18,
 * {@code _get_resolved_checkpoint_files} in modeling_utils.py: what config.json names as {@code transformers_weights}, or else the
 * first of
 *
 * <pre>
 * model.safetensors                model.safetensors.index.json
 * pytorch_model.bin                pytorch_model.bin.index.json
 * </pre>
 *
 * from left to right and top to bottom. Of an index, only the names of the files count: all tensors of a shard are read.
 *
 * @param shards each beside the index or below it
 * @param promised where the index says that a tensor is, by name; without an index, nothing
 */
record WeightFiles(List<Path> shards, Map<String, String> promised) {

    private static final List<String> NAMES = List.of(
            "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json");
    private static final String INDEX = ".index.json";
    private static final String EXPLICIT = "transformers_weights";

    /** @throws VlmException {@code CHECKPOINT_UNREADABLE} for a directory without weights, or an index without its shards */
    static WeightFiles find(Path directory) {
        String explicit = explicit(directory);
        if (explicit != null) {
            return of(directory, explicit);
        }
        for (String name : NAMES) {
            if (Files.isRegularFile(directory.resolve(name))) {
                return of(directory, name);
            }
        }
        throw CheckpointReader.unreadable(
                directory,
                "there are no weights; expected model.safetensors or pytorch_model.bin, or one of them with .index.json, but "
                        + CheckpointDirectory.explain(directory),
                null);
    }

    private static @Nullable String explicit(Path directory) {
        CheckpointJson config = CheckpointJson.readIfPresent(directory.resolve("config.json"));
        String name = config == null ? null : config.optionalString(EXPLICIT);
        if (config == null || name == null) {
            return null;
        }
        if (!name.endsWith(".safetensors") && !name.endsWith(".safetensors" + INDEX)) {
            throw config.unreadable(EXPLICIT, "the name of a .safetensors or .safetensors.index.json file");
        }
        if (!within(directory, name) || !Files.isRegularFile(directory.resolve(name))) {
            throw config.unreadable(EXPLICIT, "the name of a file in the checkpoint's directory");
        }
        return name;
    }

    private static WeightFiles of(Path directory, String name) {
        Path file = directory.resolve(name);
        if (!name.endsWith(INDEX)) {
            return new WeightFiles(List.of(file), Map.of());
        }
        JsonNode map = CheckpointJson.read(file).node("weight_map");
        if (!map.isObject() || map.isEmpty()) {
            throw CheckpointReader.unreadable(file, "it has no weight_map", null);
        }
        Map<String, String> promised = new LinkedHashMap<>();
        map.properties()
                .forEach(entry -> promised.put(entry.getKey(), entry.getValue().asString("")));
        List<Path> shards = new TreeSet<>(promised.values())
                .stream().map(shard -> shard(directory, file, shard)).toList();
        return new WeightFiles(shards, promised);
    }

    private static Path shard(Path directory, Path index, String name) {
        if (name.isEmpty() || !within(directory, name)) {
            throw CheckpointReader.unreadable(index, "it names '" + name + "', expected a file beside it", null);
        }
        Path shard = directory.resolve(name);
        if (!Files.exists(shard)) {
            throw CheckpointReader.unreadable(
                    shard,
                    Files.isSymbolicLink(shard)
                            ? "it is a link to a file that is not there; fetch the checkpoint again"
                            : index.getFileName() + " names it and it is missing; fetch it too",
                    null);
        }
        return shard;
    }

    /** Whether a name stays in the directory. Links in it may lead out, as those of a download cache do. */
    private static boolean within(Path directory, String name) {
        Path place = directory.toAbsolutePath().normalize();
        try {
            return place.resolve(name).normalize().startsWith(place);
        } catch (InvalidPathException e) {
            return false;
        }
    }
}
