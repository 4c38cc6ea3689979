package org.vlmserve.importer.checkpoint;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.checkpoint.FileContent;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * One safetensors file: eight bytes with the header's length N, N bytes of JSON (name → dtype, shape, data_offsets), then the
 * data, without holes or overlaps. Source: https://github.com/huggingface/safetensors, "Format". Every number is checked
 * before it is used, so a damaged file ends in one {@code CHECKPOINT_UNREADABLE} and never in a wrong weight.
 */
final class Safetensors {

    /** The reference implementation refuses longer headers. */
    private static final long LONGEST_HEADER = 100_000_000;

    private static final JsonMapper JSON = new JsonMapper();

    /** A stored tensor before its type is looked at. */
    private record Entry(String name, String dtype, long[] shape, long begin, long end) {}

    private Safetensors() {}

    /**
     * @param arena keeps the mapping alive
     * @return the tensors of {@code file} by name
     */
    static Map<String, StoredTensor> read(Path file, Arena arena) {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            long size = channel.size();
            if (size < Long.BYTES) {
                throw damaged(file, "it holds " + size + " bytes, expected at least the 8 of the header's length");
            }
            MemorySegment mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
            long header = mapped.get(ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 0);
            if (header < 2 || header > LONGEST_HEADER || header > size - Long.BYTES) {
                throw damaged(
                        file,
                        "its header claims " + Long.toUnsignedString(header) + " bytes of a file of " + size
                                + "; the download is damaged, fetch the file again");
            }
            byte[] json = mapped.asSlice(Long.BYTES, header).toArray(ValueLayout.JAVA_BYTE);
            MemorySegment data = mapped.asSlice(Long.BYTES + header);
            List<Entry> entries = entries(file, new String(json, StandardCharsets.UTF_8));
            checkExtents(file, entries, data.byteSize());
            Map<String, StoredTensor> tensors = new LinkedHashMap<>();
            for (Entry entry : entries) {
                StoredType type = storedType(entry.dtype());
                if (type == null) {
                    tensors.put(entry.name(), new UnsupportedTensor(entry.name(), file, entry.dtype()));
                    continue;
                }
                checkSize(file, entry, type);
                MemorySegment part = data.asSlice(entry.begin(), entry.end() - entry.begin());
                tensors.put(entry.name(), CheckpointTensor.rowMajor(entry.name(), file, type, entry.shape(), part));
            }
            return tensors;
        } catch (IOException e) {
            throw CheckpointReader.unreadable(file, String.valueOf(e.getMessage()), e);
        }
    }

    private static List<Entry> entries(Path file, String json) {
        JsonNode root;
        try {
            root = JSON.readTree(json);
        } catch (JacksonException e) {
            throw CheckpointReader.unreadable(file, "its header is no JSON; fetch the file again", e);
        }
        if (!root.isObject()) {
            throw CheckpointReader.unreadable(file, "its header is no JSON object; fetch the file again", null);
        }
        List<Entry> entries = new ArrayList<>();
        for (Map.Entry<String, JsonNode> property : root.properties()) {
            if (!property.getKey().equals("__metadata__")) {
                entries.add(entry(file, property.getKey(), property.getValue()));
            }
        }
        return entries;
    }

    private static Entry entry(Path file, String name, JsonNode node) {
        JsonNode shape = node.path("shape");
        JsonNode offsets = node.path("data_offsets");
        if (!node.path("dtype").isString() || !isSizes(shape) || !isSizes(offsets) || offsets.size() != 2) {
            throw CheckpointReader.unreadable(
                    file, "tensor " + name + " lacks a dtype, a shape or two data_offsets of whole numbers", null);
        }
        long[] dims = new long[shape.size()];
        for (int i = 0; i < dims.length; i++) {
            dims[i] = shape.get(i).asLong();
        }
        return new Entry(
                name,
                node.path("dtype").asString(),
                dims,
                offsets.get(0).asLong(),
                offsets.get(1).asLong());
    }

    private static boolean isSizes(JsonNode node) {
        if (!node.isArray()) {
            return false;
        }
        for (JsonNode element : node) {
            if (!element.canConvertToLong() || !element.isIntegralNumber() || element.asLong() < 0) {
                return false;
            }
        }
        return true;
    }

    private static void checkExtents(Path file, List<Entry> entries, long dataSize) {
        List<Entry> ordered = new ArrayList<>(entries);
        ordered.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
        long end = 0;
        String before = "the header";
        for (Entry entry : ordered) {
            if (entry.end() < entry.begin() || entry.end() > dataSize) {
                throw CheckpointReader.unreadable(
                        file,
                        "tensor " + entry.name() + " lies at [" + entry.begin() + ", " + entry.end() + ") of "
                                + dataSize + " bytes of data; the file is cut short or damaged, fetch it again",
                        null);
            }
            if (entry.begin() < end) {
                throw CheckpointReader.unreadable(
                        file, "tensor " + entry.name() + " overlaps " + before + "; the file is damaged", null);
            }
            if (entry.begin() > end) {
                throw CheckpointReader.unreadable(
                        file,
                        (entry.begin() - end) + " bytes between " + before + " and tensor " + entry.name()
                                + " belong to none; the file is damaged",
                        null);
            }
            end = entry.end();
            before = "tensor " + entry.name();
        }
        if (end < dataSize) {
            throw CheckpointReader.unreadable(
                    file,
                    (dataSize - end) + " bytes behind " + before + " belong to no tensor; the file is damaged",
                    null);
        }
    }

    private static void checkSize(Path file, Entry entry, StoredType type) {
        long bytes = type.bytes();
        try {
            for (long dimension : entry.shape()) {
                bytes = Math.multiplyExact(bytes, dimension);
            }
        } catch (ArithmeticException e) {
            bytes = -1;
        }
        if (bytes != entry.end() - entry.begin()) {
            throw CheckpointReader.unreadable(
                    file,
                    "tensor " + entry.name() + " has " + (entry.end() - entry.begin()) + " bytes, expected " + bytes
                            + " for its shape and dtype " + entry.dtype(),
                    null);
        }
    }

    private static @Nullable StoredType storedType(String dtype) {
        return switch (dtype) {
            case "F64" -> StoredType.F64;
            case "F32" -> StoredType.F32;
            case "F16" -> StoredType.F16;
            case "BF16" -> StoredType.BF16;
            default -> null;
        };
    }

    /** Says what the file is, where it is none of safetensors, or else what is wrong with it. */
    private static VlmException damaged(Path file, String what) {
        String mistaken = FileContent.SAFETENSORS.mistaken(file);
        return CheckpointReader.unreadable(file, mistaken == null ? what : mistaken, null);
    }
}
