package org.vlmserve.importer.checkpoint;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A checkpoint's weights by name: {@code model.safetensors}, or the files that {@code model.safetensors.index.json} names.
 * Nothing is read before it is asked for. Thread-safe; tensors end with {@link #close}.
 */
public final class CheckpointReader implements AutoCloseable {

    private static final String SINGLE = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";

    private final Path directory;
    private final Arena arena;
    private final Map<String, CheckpointTensor> tensors;

    private CheckpointReader(Path directory, Arena arena, Map<String, CheckpointTensor> tensors) {
        this.directory = directory;
        this.arena = arena;
        this.tensors = tensors;
    }

    /** @throws VlmException {@code CHECKPOINT_UNREADABLE}, naming the file and the tensor */
    @SuppressWarnings("MustBeClosedChecker") // the reader owns the arena
    public static CheckpointReader open(Path directory) {
        Arena arena = Arena.ofShared();
        try {
            Map<String, CheckpointTensor> tensors;
            if (Files.exists(directory.resolve(INDEX))) {
                tensors = indexed(directory, arena);
            } else if (Files.exists(directory.resolve(SINGLE))) {
                tensors = Safetensors.read(directory.resolve(SINGLE), arena);
            } else {
                throw new VlmException(
                        ErrorCode.CHECKPOINT_UNREADABLE,
                        directory + " holds neither " + SINGLE + " nor " + INDEX
                                + "; weights in another format have to be saved as safetensors first");
            }
            return new CheckpointReader(directory, arena, tensors);
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    private static Map<String, CheckpointTensor> indexed(Path directory, Arena arena) {
        Path index = directory.resolve(INDEX);
        JsonNode map;
        try {
            map = new JsonMapper().readTree(Files.readString(index)).path("weight_map");
        } catch (IOException | JacksonException e) {
            throw Safetensors.unreadable(index, "it is no JSON index", e);
        }
        if (!map.isObject() || map.isEmpty()) {
            throw Safetensors.unreadable(index, "it has no weight_map", null);
        }
        Set<String> files = new TreeSet<>();
        map.forEach(file -> files.add(file.asString("")));
        Map<String, CheckpointTensor> found = new LinkedHashMap<>();
        for (String file : files) {
            Path path = directory.resolve(file).normalize();
            if (file.isEmpty() || !directory.normalize().equals(path.getParent())) {
                throw Safetensors.unreadable(index, "it names '" + file + "', expected a file beside it", null);
            }
            if (!Files.exists(path)) {
                throw Safetensors.unreadable(path, "the index names it and it is missing", null);
            }
            for (CheckpointTensor tensor : Safetensors.read(path, arena).values()) {
                if (map.path(tensor.name()).asString("").equals(file)) {
                    found.put(tensor.name(), tensor);
                }
            }
        }
        return found;
    }

    public Path directory() {
        return directory;
    }

    public Set<String> names() {
        return tensors.keySet();
    }

    public boolean has(String name) {
        return tensors.containsKey(name);
    }

    /**
     * The tensor under the first of {@code names} that the checkpoint has.
     *
     * @param shape what the configuration asks for
     * @throws VlmException {@code CHECKPOINT_UNREADABLE} for one that is missing or has another shape
     */
    public CheckpointTensor tensor(List<String> names, long... shape) {
        for (String name : names) {
            CheckpointTensor tensor = tensors.get(name);
            if (tensor != null) {
                if (!Arrays.equals(tensor.shape(), shape)) {
                    throw Safetensors.unreadable(
                            tensor.file(),
                            "tensor " + name + " has shape " + Arrays.toString(tensor.shape())
                                    + ", but config.json asks for " + Arrays.toString(shape),
                            null);
                }
                return tensor;
            }
        }
        throw Safetensors.unreadable(
                directory,
                "tensor " + String.join(" or ", names) + " is missing (or of a type other than F32, F16, BF16)",
                null);
    }

    @Override
    public void close() {
        arena.close();
    }
}
