package org.vlmserve.importer.checkpoint;

import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * A checkpoint's weights by name, in the files that {@link WeightFiles} finds. Nothing is read before it is asked for, and what was
 * asked for is known afterwards. Thread-safe; tensors end with {@link #close}.
 */
public final class CheckpointReader implements AutoCloseable {

    private static final List<String> ADAPTER =
            List.of("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin");

    private final Path directory;
    private final Arena arena;
    private final Warnings warnings;
    private final Map<String, String> promised;
    private final Map<String, StoredTensor> tensors = new LinkedHashMap<>();
    private final Set<String> used = ConcurrentHashMap.newKeySet();
    private final List<Predicate<String>> leftOut = new CopyOnWriteArrayList<>();
    private final List<CheckpointReader> besides = new CopyOnWriteArrayList<>();

    private CheckpointReader(Path directory, Arena arena, Warnings warnings) {
        this.directory = directory;
        this.arena = arena;
        this.warnings = warnings;
        WeightFiles files = WeightFiles.find(directory);
        for (String adapter : ADAPTER) {
            if (Files.exists(directory.resolve(adapter))) {
                warnings.add(adapter
                        + " lies beside the weights, and the adapter is not merged into them; if the model needs it,"
                        + " merge it with PEFT's merge_and_unload() and import the result");
                break;
            }
        }
        this.promised = files.promised();
        for (Path shard : files.shards()) {
            Map<String, StoredTensor> found = shard.toString().endsWith(".safetensors")
                    ? Safetensors.read(shard, arena)
                    : TorchFile.read(shard, arena);
            found.forEach(this::put);
        }
    }

    /** Of two tensors with one name, the reference takes the one that it reads last. */
    private void put(String name, StoredTensor tensor) {
        StoredTensor before = tensors.put(name, tensor);
        if (before != null) {
            warnings.add("tensor " + name + " is in two shards; that of "
                    + tensor.file().getFileName() + " is taken, and not that of "
                    + before.file().getFileName());
        }
    }

    /** @throws VlmException {@code CHECKPOINT_UNREADABLE}, naming the file and the tensor */
    public static CheckpointReader open(Path directory) {
        return open(directory, new Warnings());
    }

    /**
     * @param warnings is told of tensors that are there twice, and of an adapter that is not applied
     * @throws VlmException {@code CHECKPOINT_UNREADABLE}, naming the file and the tensor
     */
    @SuppressWarnings("MustBeClosedChecker") // the reader owns the arena
    public static CheckpointReader open(Path directory, Warnings warnings) {
        Arena arena = Arena.ofShared();
        try {
            return new CheckpointReader(directory, arena, warnings);
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
        CheckpointReader beside = new CheckpointReader(other, arena, warnings);
        besides.add(beside);
        return beside;
    }

    public Path directory() {
        return directory;
    }

    /** All names, whatever the types under them. */
    public Set<String> names() {
        return tensors.keySet();
    }

    /** Whether the checkpoint has a tensor under one of these names. */
    public boolean has(List<String> names) {
        return names.stream().anyMatch(tensors::containsKey);
    }

    /**
     * The tensor that the checkpoint has under one of several names. Of two, the reference takes the first in alphabetical order.
     *
     * @param shape what the configuration asks for
     * @throws VlmException {@code CHECKPOINT_UNREADABLE} for one that is missing or has another shape,
     *     {@code CHECKPOINT_UNSUPPORTED} for one whose elements are no floats
     */
    public CheckpointTensor tensor(List<String> names, long... shape) {
        List<String> present =
                names.stream().filter(tensors::containsKey).sorted().toList();
        if (present.isEmpty()) {
            throw missing(names, null);
        }
        String name = present.getFirst();
        List<String> others = present.subList(1, present.size());
        if (!others.isEmpty()) {
            warnings.add(name + " is in the checkpoint under another name too, " + String.join(" and ", others)
                    + ", which is not used");
            leaveOut(others::contains);
        }
        return switch (Objects.requireNonNull(tensors.get(name))) {
            case CheckpointTensor tensor -> shaped(tensor, shape);
            case UnsupportedTensor other ->
                throw new VlmException(
                        ErrorCode.CHECKPOINT_UNSUPPORTED,
                        other.file() + ": tensor " + name + " is of type " + other.type()
                                + "; supported: F32, F16, BF16, F64. Quantised weights are not read, import the checkpoint"
                                + " that they were made from");
        };
    }

    private CheckpointTensor shaped(CheckpointTensor tensor, long... shape) {
        if (!Arrays.equals(tensor.shape(), shape)) {
            throw unreadable(
                    tensor.file(),
                    "tensor " + tensor.name() + " has shape " + Arrays.toString(tensor.shape())
                            + ", but config.json asks for " + Arrays.toString(shape),
                    null);
        }
        used.add(tensor.name());
        return tensor;
    }

    /**
     * Says that a tensor is missing, and what is there instead.
     *
     * @param hint what to do where nothing is; null for nothing to say
     */
    public VlmException missing(List<String> names, @Nullable String hint) {
        String what = "tensor " + String.join(" or ", names) + " is missing";
        for (String name : names) {
            String shard = promised.get(name);
            if (shard != null) {
                return unreadable(
                        directory.resolve(shard),
                        what + ", although the index says that it is here; fetch this file and the index again",
                        null);
            }
        }
        String foreign = ForeignNames.explain(names, names());
        String more = foreign == null ? hint : foreign;
        return unreadable(directory, more == null ? what : what + "; " + more, null);
    }

    /** Says of a tensor that was asked for that it is known and not needed. */
    public void leaveOut(CheckpointTensor tensor) {
        used.remove(tensor.name());
        leaveOut(tensor.name()::equals);
    }

    /** Names tensors that the architecture knows and does not need. */
    public void leaveOut(Predicate<String> names) {
        leftOut.add(names);
    }

    /** How many tensors were asked for, here and {@link #beside}. */
    public int used() {
        return used.size() + besides.stream().mapToInt(CheckpointReader::used).sum();
    }

    /** Names of the tensors that were not asked for, here and {@link #beside}. */
    public List<String> unused() {
        List<String> names = new ArrayList<>(
                tensors.keySet().stream().filter(name -> !used.contains(name)).toList());
        besides.forEach(beside -> names.addAll(beside.unused()));
        return names;
    }

    /** Those of {@link #unused} that the architecture does not know. */
    public List<String> unexpected() {
        List<String> names = new ArrayList<>(tensors.keySet().stream()
                .filter(name -> !used.contains(name) && leftOut.stream().noneMatch(known -> known.test(name)))
                .toList());
        besides.forEach(beside -> names.addAll(beside.unexpected()));
        return names;
    }

    /** Whether a tensor was asked for whose name begins so. */
    public boolean usesBelow(String prefix) {
        return used.stream().anyMatch(name -> name.startsWith(prefix))
                || besides.stream().anyMatch(beside -> beside.usesBelow(prefix));
    }

    @Override
    public void close() {
        arena.close();
    }

    static VlmException unreadable(Path file, String what, @Nullable Throwable cause) {
        return new VlmException(ErrorCode.CHECKPOINT_UNREADABLE, "cannot read " + file + ": " + what, cause);
    }
}
