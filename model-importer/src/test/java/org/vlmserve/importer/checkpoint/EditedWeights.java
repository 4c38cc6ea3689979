package org.vlmserve.importer.checkpoint;

import java.io.ByteArrayOutputStream;
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
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
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

    /** Reads all that a checkpoint has in floats. */
    public static EditedWeights of(Path checkpoint) {
        EditedWeights weights = new EditedWeights();
        try (Arena arena = Arena.ofConfined()) {
            for (Path shard : WeightFiles.find(checkpoint).shards()) {
                (shard.toString().endsWith(".bin") ? TorchFile.read(shard, arena) : Safetensors.read(shard, arena))
                        .forEach((name, tensor) -> {
                            if (tensor instanceof CheckpointTensor floats) {
                                weights.take(name, floats);
                            }
                        });
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

    /** All tensors of floats become doubles. */
    public void widen() {
        tensors.replaceAll((name, tensor) -> {
            if (!tensor.type().equals("F32")) {
                throw new IllegalArgumentException(name + " is " + tensor.type());
            }
            ByteBuffer floats = ByteBuffer.wrap(tensor.data()).order(ByteOrder.LITTLE_ENDIAN);
            ByteBuffer doubles = ByteBuffer.allocate(2 * tensor.data().length).order(ByteOrder.LITTLE_ENDIAN);
            while (floats.hasRemaining()) {
                doubles.putDouble(floats.getFloat());
            }
            return new Stored("F64", tensor.shape(), doubles.array());
        });
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

    /** Writes one file as {@code torch.save} does, each tensor in a storage of its own. */
    public void saveTorch(Path file) {
        ByteArrayOutputStream pickle = new ByteArrayOutputStream();
        pickle.writeBytes(new byte[] {(byte) 0x80, 2, '}', '('});
        int key = 0;
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
            for (Map.Entry<String, Stored> entry : tensors.entrySet()) {
                Stored tensor = entry.getValue();
                String storage = switch (tensor.type()) {
                    case "F32" -> "FloatStorage";
                    case "F16" -> "HalfStorage";
                    default -> "BFloat16Storage";
                };
                int each = tensor.type().equals("F32") ? 4 : 2;
                text(pickle, entry.getKey());
                ascii(pickle, "ctorch._utils\n_rebuild_tensor_v2\n((");
                text(pickle, "storage");
                ascii(pickle, "ctorch\n" + storage + "\n");
                text(pickle, Integer.toString(key));
                text(pickle, "cpu");
                number(pickle, tensor.data().length / each);
                ascii(pickle, "tQ");
                number(pickle, 0);
                ascii(pickle, "(");
                Arrays.stream(tensor.shape()).forEach(size -> number(pickle, size));
                ascii(pickle, "t(");
                for (int i = 0; i < tensor.shape().length; i++) {
                    number(pickle, Arrays.stream(tensor.shape()).skip(i + 1L).reduce(1, (a, b) -> a * b));
                }
                ascii(pickle, "t\u0089ccollections\nOrderedDict\n)RtR");
                entry(zip, "archive/data/" + key++, tensor.data());
            }
            ascii(pickle, "u.");
            entry(zip, "archive/data.pkl", pickle.toByteArray());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void ascii(ByteArrayOutputStream out, String text) {
        out.writeBytes(text.getBytes(StandardCharsets.ISO_8859_1));
    }

    private static void text(ByteArrayOutputStream out, String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        out.write('X');
        little(out, utf8.length);
        out.writeBytes(utf8);
    }

    private static void number(ByteArrayOutputStream out, long value) {
        out.write('J');
        little(out, (int) value);
    }

    private static void little(ByteArrayOutputStream out, int value) {
        out.writeBytes(ByteBuffer.allocate(Integer.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(value)
                .array());
    }

    private static void entry(ZipOutputStream zip, String name, byte[] data) throws IOException {
        CRC32 sum = new CRC32();
        sum.update(data);
        ZipEntry entry = new ZipEntry(name);
        entry.setMethod(ZipEntry.STORED);
        entry.setSize(data.length);
        entry.setCrc(sum.getValue());
        zip.putNextEntry(entry);
        zip.write(data);
        zip.closeEntry();
    }

    /** Those that a test is about. */
    public EditedWeights only(String name) {
        EditedWeights one = new EditedWeights();
        one.tensors.put(name, Objects.requireNonNull(tensors.get(name), name));
        return one;
    }

    /** The same tensors, to be changed apart. */
    public EditedWeights copy() {
        EditedWeights all = new EditedWeights();
        all.tensors.putAll(tensors);
        return all;
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
