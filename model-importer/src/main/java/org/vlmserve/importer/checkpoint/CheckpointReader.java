package org.vlmserve.importer.checkpoint;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A checkpoint's weights by name: {@code model.safetensors}, or the files that {@code model.safetensors.index.json} names, or else
 * {@code pytorch_model.bin} in the same two ways. Nothing is read before it is asked for. Thread-safe; tensors end with
 * {@link #close}.
 */
public final class CheckpointReader implements AutoCloseable {

    /** Later ones are looked for where earlier ones are missing. */
    private enum Format {
        SAFETENSORS("model.safetensors"),
        TORCH("pytorch_model.bin");

        private final String single;

        Format(String single) {
            this.single = single;
        }

        String index() {
            return single + ".index.json";
        }

        Map<String, CheckpointTensor> read(Path file, Arena arena) {
            return this == SAFETENSORS ? Safetensors.read(file, arena) : TorchFile.read(file, arena);
        }
    }

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
            return new CheckpointReader(directory, arena, tensors(directory, arena));
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    /**
     * Another directory's weights, such as those of a vision tower that is a checkpoint of its own. They end with this reader.
     *
     * @throws VlmException as {@link #open}
     */
    public CheckpointReader beside(Path other) {
        return new CheckpointReader(other, arena, tensors(other, arena));
    }

    private static Map<String, CheckpointTensor> tensors(Path directory, Arena arena) {
        for (Format format : Format.values()) {
            if (Files.exists(directory.resolve(format.index()))) {
                return indexed(directory, format, arena);
            }
            if (Files.exists(directory.resolve(format.single))) {
                return format.read(directory.resolve(format.single), arena);
            }
        }
        throw unreadable(
                directory,
                "it holds no weights; expected model.safetensors or pytorch_model.bin, or one of them with .index.json",
                null);
    }

    private static Map<String, CheckpointTensor> indexed(Path directory, Format format, Arena arena) {
        Path index = directory.resolve(format.index());
        JsonNode map;
        try {
            map = new JsonMapper().readTree(Files.readString(index)).path("weight_map");
        } catch (IOException | JacksonException e) {
            throw unreadable(index, "it is no JSON index", e);
        }
        if (!map.isObject() || map.isEmpty()) {
            throw unreadable(index, "it has no weight_map", null);
        }
        Set<String> files = new TreeSet<>();
        map.forEach(file -> files.add(file.asString("")));
        Map<String, CheckpointTensor> found = new LinkedHashMap<>();
        for (String file : files) {
            Path path;
            try {
                path = directory.resolve(file).normalize();
            } catch (InvalidPathException e) {
                throw unreadable(index, "it names '" + file + "', which no file can be called", e);
            }
            if (file.isEmpty() || !directory.normalize().equals(path.getParent())) {
                throw unreadable(index, "it names '" + file + "', expected a file beside it", null);
            }
            if (!Files.exists(path)) {
                throw unreadable(path, "the index names it and it is missing", null);
            }
            for (CheckpointTensor tensor : format.read(path, arena).values()) {
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
                    throw unreadable(
                            tensor.file(),
                            "tensor " + name + " has shape " + Arrays.toString(tensor.shape())
                                    + ", but config.json asks for " + Arrays.toString(shape),
                            null);
                }
                return tensor;
            }
        }
        throw unreadable(
                directory,
                "tensor " + String.join(" or ", names) + " is missing (or of a type other than F32, F16, BF16)",
                null);
    }

    @Override
    public void close() {
        arena.close();
    }

    static VlmException unreadable(Path file, String what, @Nullable Throwable cause) {
        return new VlmException(ErrorCode.CHECKPOINT_UNREADABLE, "cannot read " + file + ": " + what, cause);
    }
}
