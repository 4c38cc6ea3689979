package org.vlmserve.importer.checkpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.UnaryOperator;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** All tensors of a small checkpoint, to be changed and written as safetensors. */
public final class EditedWeights {

    /** @param type as safetensors names it */
    private record Stored(String type, long[] shape, byte[] data) {}

    private final Map<String, Stored> tensors = new LinkedHashMap<>();

    private EditedWeights() {}

    public static EditedWeights none() {
        return new EditedWeights();
    }

    /** Reads all that a checkpoint has. */
    public static EditedWeights of(Path checkpoint) {
        EditedWeights weights = new EditedWeights();
        try (Arena arena = Arena.ofConfined()) {
            for (Path shard : WeightFiles.find(checkpoint).shards()) {
                (shard.toString().endsWith(".bin") ? TorchFile.read(shard, arena) : Safetensors.read(shard, arena))
                        .forEach((name, tensor) -> weights.take(name, (CheckpointTensor) tensor));
            }
        }
        return weights;
    }

    private void take(String name, CheckpointTensor tensor) {
        byte[] data = new byte[Math.toIntExact(tensor.byteSize())];
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment copy = arena.allocate(Math.max(1, data.length));
            tensor.copy(0, tensor.rows(), copy);
            MemorySegment.copy(copy, 0, MemorySegment.ofArray(data), 0, data.length);
        }
        tensors.put(name, new Stored(tensor.dtype().name(), tensor.shape(), data));
    }

    public List<String> names() {
        return new ArrayList<>(tensors.keySet());
    }

    /** The one name that ends so. */
    public String name(String end) {
        List<String> found = names().stream().filter(name -> name.endsWith(end)).toList();
        if (found.size() != 1) {
            throw new IllegalArgumentException(found + " end with " + end);
        }
        return found.getFirst();
    }

    public EditedWeights put(String name, String type, long[] shape, byte[] data) {
        tensors.put(name, new Stored(type, shape, data));
        return this;
    }

    public EditedWeights remove(String name) {
        Objects.requireNonNull(tensors.remove(name), name);
        return this;
    }

    public EditedWeights copy(String from, String to) {
        tensors.put(to, Objects.requireNonNull(tensors.get(from), from));
        return this;
    }

    /** The same values in reverse order, so that all rows of a matrix are others. */
    public EditedWeights copyReversed(String from, String to) {
        Stored source = Objects.requireNonNull(tensors.get(from), from);
        int each = source.type().equals("F32") ? 4 : 2;
        byte[] reversed = new byte[source.data().length];
        for (int at = 0; at < reversed.length; at += each) {
            System.arraycopy(source.data(), at, reversed, reversed.length - at - each, each);
        }
        return put(to, source.type(), source.shape(), reversed);
    }

    /** All elements of a tensor become one number, in a type of its own. */
    public EditedWeights fill(String name, String type, double value) {
        Stored before = Objects.requireNonNull(tensors.get(name), name);
        int elements = Math.toIntExact(Arrays.stream(before.shape()).reduce(1, (a, b) -> a * b));
        int each = type.matches(".*64") ? 8 : type.matches(".*32") ? 4 : type.matches(".*16") ? 2 : 1;
        ByteBuffer data = ByteBuffer.allocate(elements * each).order(ByteOrder.LITTLE_ENDIAN);
        while (data.hasRemaining()) {
            switch (type) {
                case "F64" -> data.putDouble(value);
                case "F32" -> data.putFloat((float) value);
                case "F16" -> data.putShort(Float.floatToFloat16((float) value));
                case "BF16" -> data.putShort((short) (Float.floatToRawIntBits((float) value) >>> 16));
                default -> data.put((byte) 1);
            }
        }
        return put(name, type, before.shape(), data.array());
    }

    public EditedWeights rename(UnaryOperator<String> names) {
        Map<String, Stored> before = new LinkedHashMap<>(tensors);
        tensors.clear();
        before.forEach((name, tensor) -> tensors.put(names.apply(name), tensor));
        return this;
    }

    /** Writes one file. */
    public void save(Path file) {
        ObjectNode header = JsonMapper.shared().createObjectNode();
        long at = 0;
        for (Map.Entry<String, Stored> entry : tensors.entrySet()) {
            Stored tensor = entry.getValue();
            ObjectNode node = header.putObject(entry.getKey()).put("dtype", tensor.type());
            Arrays.stream(tensor.shape()).forEach(node.putArray("shape")::add);
            node.putArray("data_offsets").add(at).add(at += tensor.data().length);
        }
        byte[] json = header.toString().getBytes(StandardCharsets.UTF_8);
        ByteBuffer out = ByteBuffer.allocate(Math.toIntExact(Long.BYTES + json.length + at))
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.length)
                .put(json);
        tensors.values().forEach(tensor -> out.put(tensor.data()));
        try {
            Files.write(file, out.array());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Writes an index that says of these names that they are in one file. */
    public static void index(Path file, Map<String, String> places) {
        ObjectNode index = JsonMapper.shared().createObjectNode();
        index.putObject("metadata");
        ObjectNode map = index.putObject("weight_map");
        places.forEach(map::put);
        try {
            Files.writeString(file, index.toString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
