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
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.checkpoint.FileContent;
import org.vlmserve.importer.checkpoint.StateDictPickle.Storage;
import org.vlmserve.importer.checkpoint.StateDictPickle.View;

/**
 * A state dict in a file of {@code torch.save}, such as {@code pytorch_model.bin}. Source: https://github.com/pytorch/pytorch,
 * {@code torch/serialization.py}, {@code _save} and {@code _legacy_save}.
 *
 * <pre>
 * since 1.6   a zip file: NAME/data.pkl (the dictionary, as a pickle), NAME/data/KEY (each storage as it is), NAME/byteorder
 * before      the pickles of a magic number, a version, the system, the dictionary and the storages' keys; then for each key
 *             its number of elements (i64) and the elements
 * </pre>
 *
 * A tensor is a view of a storage; several may share one, and not every view is row-major. The pickles are read as data by
 * {@link StateDictPickle}; storages stay where they are, in the mapped file, and every extent is checked before it is used.
 */
final class TorchFile {

    private static final byte[] ZIP = {'P', 'K', 3, 4};
    private static final byte[] LEGACY =
            HexFormat.of().parseHex("80028a0a6cfc9c46f9206aa850192e"); // the pickle of 0x1950a86a20f9469cfc6c
    private static final long LEGACY_VERSION = 1001;
    private static final String PICKLE = "/data.pkl";

    private static final long LARGEST_EXPANSION = 16 << 20;

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final Map<String, Integer> BYTES = Map.ofEntries(
            Map.entry("FloatStorage", 4),
            Map.entry("HalfStorage", 2),
            Map.entry("BFloat16Storage", 2),
            Map.entry("DoubleStorage", 8),
            Map.entry("LongStorage", 8),
            Map.entry("IntStorage", 4),
            Map.entry("ShortStorage", 2),
            Map.entry("CharStorage", 1),
            Map.entry("ByteStorage", 1),
            Map.entry("BoolStorage", 1),
            Map.entry("ComplexFloatStorage", 8),
            Map.entry("ComplexDoubleStorage", 16));

    private TorchFile() {}

    /**
     * @param arena keeps the mapping alive
     * @return the tensors of {@code file} by name
     */
    static Map<String, StoredTensor> read(Path file, Arena arena) {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            MemorySegment mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            if (begins(mapped, ZIP)) {
                return archive(file, mapped);
            }
            if (begins(mapped, LEGACY)) {
                return legacy(file, mapped);
            }
            String mistaken = FileContent.TORCH.mistaken(file);
            throw CheckpointReader.unreadable(
                    file,
                    mistaken != null
                            ? mistaken
                            : "it does not begin as a file of torch.save does; is it a download of another file?",
                    null);
        } catch (IOException e) {
            throw CheckpointReader.unreadable(file, String.valueOf(e.getMessage()), e);
        }
    }

    private static boolean begins(MemorySegment mapped, byte[] with) {
        return mapped.byteSize() >= with.length
                && mapped.asSlice(0, with.length).mismatch(MemorySegment.ofArray(with)) < 0;
    }

    private static Map<String, StoredTensor> archive(Path file, MemorySegment mapped) {
        ZipDirectory directory = new ZipDirectory(file, mapped);
        List<String> pickles = directory.names().stream()
                .filter(name -> name.endsWith(PICKLE) && name.indexOf('/') == name.length() - PICKLE.length())
                .toList();
        if (pickles.size() != 1) {
            throw CheckpointReader.unreadable(
                    file,
                    "its zip archive has " + pickles.size()
                            + " entries NAME/data.pkl, expected one as torch.save writes; it"
                            + " holds " + directory.names().size() + " files, "
                            + String.join(
                                    ", ", directory.names().stream().limit(3).toList())
                            + (directory.names().size() > 3 ? ", …" : ""),
                    null);
        }
        Map<String, MemorySegment> entries = directory.entries();
        String prefix = pickles.getFirst().substring(0, pickles.getFirst().length() - PICKLE.length());
        if (entries.containsKey(prefix + "/constants.pkl")) {
            throw CheckpointReader.unreadable(
                    file, "it is a TorchScript module, expected a state dict; save the model's state_dict()", null);
        }
        MemorySegment order = entries.get(prefix + "/byteorder");
        if (order != null && !begins(order, "little".getBytes(StandardCharsets.US_ASCII))) {
            throw CheckpointReader.unreadable(file, "its byte order is not little-endian", null);
        }
        StateDictPickle pickle = new StateDictPickle(file, Objects.requireNonNull(entries.get(pickles.getFirst())), 0);
        Map<String, View> views = views(file, pickle.next());
        Map<String, MemorySegment> data = new HashMap<>();
        for (Storage storage : pickle.storages().values()) {
            MemorySegment stored = entries.get(prefix + "/data/" + storage.key());
            if (stored == null) {
                throw CheckpointReader.unreadable(
                        file, "storage " + storage.key() + " is missing; the file is damaged, fetch it again", null);
            }
            long bytes = bytes(file, storage);
            if (stored.byteSize() != bytes) {
                throw CheckpointReader.unreadable(
                        file,
                        "storage " + storage.key() + " has " + stored.byteSize() + " bytes, expected " + bytes + " for "
                                + storage.elements() + " elements of " + storage.type(),
                        null);
            }
            data.put(storage.key(), stored);
        }
        return tensors(file, views, data);
    }

    private static Map<String, StoredTensor> legacy(Path file, MemorySegment mapped) {
        StateDictPickle pickle = new StateDictPickle(file, mapped, LEGACY.length);
        if (!pickle.next().equals(LEGACY_VERSION)) {
            throw CheckpointReader.unreadable(file, "its version is not " + LEGACY_VERSION, null);
        }
        if (!(pickle.next() instanceof Map<?, ?> system) || !Boolean.TRUE.equals(system.get("little_endian"))) {
            throw CheckpointReader.unreadable(file, "its byte order is not little-endian", null);
        }
        Map<String, View> views = views(file, pickle.next());
        Object keys = pickle.next();
        if (!(keys instanceof List<?> list)) {
            throw CheckpointReader.unreadable(
                    file, "its list of storages is " + StateDictPickle.kind(keys) + ", expected a list", null);
        }
        long at = pickle.position();
        Map<String, MemorySegment> data = new HashMap<>();
        for (Object key : list) {
            Storage storage = key instanceof String name ? pickle.storages().get(name) : null;
            long left = mapped.byteSize() - at - Long.BYTES;
            if (storage == null || left < 0) {
                throw CheckpointReader.unreadable(
                        file, "its storages do not fit its tensors; the file is damaged, fetch it again", null);
            }
            long elements = mapped.get(LONG, at);
            long bytes = bytes(file, storage);
            if (elements != storage.elements() || bytes > left) {
                throw CheckpointReader.unreadable(
                        file,
                        "storage " + storage.key() + " has " + elements + " elements in the " + left
                                + " bytes that are left, expected " + storage.elements() + " of " + storage.type()
                                + "; the file is cut short or damaged, fetch it again",
                        null);
            }
            data.put(storage.key(), mapped.asSlice(at + Long.BYTES, bytes));
            at += Long.BYTES + bytes;
        }
        return tensors(file, views, data);
    }

    /** The tensors among a dictionary's values; a state dict may hold other things, such as counters. */
    private static Map<String, View> views(Path file, Object root) {
        if (!(root instanceof Map<?, ?> map)) {
            throw CheckpointReader.unreadable(
                    file,
                    "it holds " + StateDictPickle.kind(root) + ", expected a dictionary of tensors by name",
                    null);
        }
        Map<String, View> views = new LinkedHashMap<>();
        map.forEach((name, value) -> {
            if (value instanceof View view) {
                views.put((String) name, view);
            }
        });
        if (views.isEmpty()) {
            throw CheckpointReader.unreadable(
                    file,
                    "its dictionary of " + map.size() + " values holds no tensor; save the model's state_dict() itself",
                    null);
        }
        return views;
    }

    private static long bytes(Path file, Storage storage) {
        Integer each = BYTES.get(storage.type());
        if (each == null) {
            throw CheckpointReader.unreadable(
                    file, "storage " + storage.key() + " is of the unknown type " + storage.type(), null);
        }
        if (storage.elements() > Long.MAX_VALUE / each) {
            throw CheckpointReader.unreadable(
                    file, "storage " + storage.key() + " claims " + storage.elements() + " elements", null);
        }
        return storage.elements() * each;
    }

    private static Map<String, StoredTensor> tensors(
            Path file, Map<String, View> views, Map<String, MemorySegment> data) {
        Map<String, StoredTensor> tensors = new LinkedHashMap<>();
        views.forEach((name, view) -> {
            Storage storage = view.storage();
            long reach = reach(file, name, view);
            MemorySegment stored = data.get(storage.key());
            if (reach > storage.elements() || stored == null) {
                throw CheckpointReader.unreadable(
                        file,
                        "tensor " + name + " reaches to element " + reach + " of storage " + storage.key()
                                + ", which has " + (stored == null ? "none" : storage.elements())
                                + "; the file is damaged",
                        null);
            }
            StoredType type = storedType(storage.type());
            if (type == null) {
                tensors.put(name, new UnsupportedTensor(name, file, storage.type()));
                return;
            }
            checkExpansion(file, name, view, type);
            MemorySegment part = stored.asSlice(view.offset() * type.bytes(), (reach - view.offset()) * type.bytes());
            tensors.put(name, new CheckpointTensor(name, file, type, view.shape(), view.strides(), part));
        });
        return tensors;
    }

    /** A view that repeats elements, by strides of 0 say, is copied out before it is used; no published tensor is one of any size. */
    private static void checkExpansion(Path file, String name, View view, StoredType type) {
        long elements = Arrays.stream(view.shape()).reduce(1, (a, b) -> a * b);
        long stored = view.storage().elements();
        if (elements > stored && elements * type.bytes() > LARGEST_EXPANSION) {
            throw CheckpointReader.unreadable(
                    file,
                    "tensor " + name + " makes " + elements + " elements of " + stored + ", expected at most "
                            + LARGEST_EXPANSION + " bytes of such; save a contiguous copy of it",
                    null);
        }
    }

    /** One more than the last element that a view touches; its offset for a view of nothing. */
    private static long reach(Path file, String name, View view) {
        try {
            long elements = 1;
            long last = view.offset();
            for (int i = 0; i < view.shape().length; i++) {
                elements = Math.multiplyExact(elements, view.shape()[i]);
                last = Math.addExact(last, Math.multiplyExact(Math.max(0, view.shape()[i] - 1), view.strides()[i]));
            }
            return elements == 0 ? view.offset() : Math.addExact(last, 1);
        } catch (ArithmeticException e) {
            throw CheckpointReader.unreadable(file, "tensor " + name + " has more than 2^63 elements", e);
        }
    }

    private static @Nullable StoredType storedType(String storage) {
        return switch (storage) {
            case "DoubleStorage" -> StoredType.F64;
            case "FloatStorage" -> StoredType.F32;
            case "HalfStorage" -> StoredType.F16;
            case "BFloat16Storage" -> StoredType.BF16;
            default -> null;
        };
    }
}
