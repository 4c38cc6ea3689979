package org.vlmserve.importer.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.vlmserve.protocol.error.VlmException;

/**
 * Reads the pickles of {@code torch.save} as data. A pickle is a program for a stack machine whose instructions may import and call
 * anything; here only those instructions exist that dictionaries of tensors need, the few names that occur in them stand for
 * records of our own, and everything else is refused. Nothing is looked up, instantiated or called, nothing recurses, and the
 * number of steps is bounded. Sources: CPython's {@code pickletools.py} for the instructions;
 * https://github.com/pytorch/pytorch, {@code torch/_weights_only_unpickler.py} and {@code torch/_utils.py}, for the names.
 */
final class StateDictPickle {

    /** A file of a hundred thousand tensors takes fewer. */
    private static final int MOST_STEPS = 4_000_000;

    /** torch makes no tensor of more. */
    private static final int MOST_DIMENSIONS = 64;

    /** All names and keys together. */
    private static final long MOST_TEXT = 64 << 20;

    private static final int LATEST_PROTOCOL = 5;

    private static final String ORDERED_DICT = "collections.OrderedDict";
    private static final String TENSOR = "torch._utils._rebuild_tensor_v2";
    private static final String PARAMETER = "torch._utils._rebuild_parameter";
    private static final Set<String> FUNCTIONS = Set.of(ORDERED_DICT, TENSOR, PARAMETER);

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble DOUBLE =
            ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    private enum Sign {
        MARK,
        NONE
    }

    /** A name that an instruction asked for, such as {@code torch.HalfStorage}. */
    private record Name(String value) {}

    private record Tuple(List<Object> items) {}

    /** @param type such as {@code HalfStorage} */
    record Storage(String type, String key, long elements) {}

    /** A view of a storage; offset and strides count elements. */
    record View(Storage storage, long offset, long[] shape, long[] strides) {}

    private final Path file;
    private final MemorySegment bytes;
    private final Map<String, Storage> storages = new LinkedHashMap<>();

    private final ArrayList<Object> stack = new ArrayList<>();
    private final Map<Integer, Object> memo = new HashMap<>();
    private int steps;
    private long textBytes;
    private long step;
    private long at;

    /** @param bytes one pickle or several, one behind the other; the first begins at {@code start} */
    StateDictPickle(Path file, MemorySegment bytes, long start) {
        this.file = file;
        this.bytes = bytes;
        this.at = start;
    }

    /** Where the next pickle begins. */
    long position() {
        return at;
    }

    /** The storages met so far, by key. */
    Map<String, Storage> storages() {
        return storages;
    }

    /**
     * The next pickle's value: a {@code Map}, a {@code List}, a {@code String}, a {@code Long}, a {@link View}, …
     *
     * @throws VlmException {@code CHECKPOINT_UNREADABLE} for all that no state dict needs
     */
    Object next() {
        stack.clear();
        memo.clear();
        while (true) {
            step = at;
            charge(1);
            int code = unsignedByte();
            if (code == '.') {
                Object value = pop();
                if (!stack.isEmpty()) {
                    throw refused("the pickle ends with " + stack.size() + " values left over");
                }
                return value;
            }
            execute(code);
        }
    }

    /** What was kept once can be recalled and copied any number of times, so each item that is copied counts too. */
    private void charge(int more) {
        steps += more;
        if (steps > MOST_STEPS) {
            throw refused("the pickle has more than " + MOST_STEPS + " steps");
        }
    }

    private void execute(int code) {
        switch (code) {
            case 0x80 -> {
                int protocol = unsignedByte();
                if (protocol > LATEST_PROTOCOL) {
                    throw refused("the pickle's protocol is " + protocol + ", expected at most " + LATEST_PROTOCOL);
                }
            }
            case 0x95 -> take(Long.BYTES); // FRAME: its length serves readers of streams
            case '(' -> stack.add(Sign.MARK);
            case 'N' -> stack.add(Sign.NONE);
            case 0x88 -> stack.add(true);
            case 0x89 -> stack.add(false);
            case 'K' -> stack.add((long) unsignedByte());
            case 'M' -> stack.add((long) Short.toUnsignedInt(bytes.get(SHORT, take(Short.BYTES))));
            case 'J' -> stack.add((long) bytes.get(INT, take(Integer.BYTES)));
            case 0x8a -> stack.add(wholeNumber(unsignedByte()));
            case 'G' -> stack.add(bytes.get(DOUBLE, take(Double.BYTES)));
            case 'X' -> stack.add(text(Integer.toUnsignedLong(bytes.get(INT, take(Integer.BYTES)))));
            case 0x8c -> stack.add(text(unsignedByte()));
            case ')' -> stack.add(new Tuple(List.of()));
            case 't' -> stack.add(new Tuple(List.copyOf(popToMark())));
            case 0x85, 0x86, 0x87 -> stack.add(new Tuple(List.copyOf(popLast(code - 0x84))));
            case ']' -> stack.add(new ArrayList<>());
            case 'a', 'e' -> {
                List<Object> items = code == 'a' ? popLast(1) : popToMark();
                list(peek()).addAll(items);
            }
            case '}' -> stack.add(new LinkedHashMap<>());
            case 's', 'u' -> {
                List<Object> items = code == 's' ? popLast(2) : popToMark();
                putAll(dictionary(peek()), items);
            }
            case 'q' -> memo.put(unsignedByte(), peek());
            case 'r' -> memo.put(bytes.get(INT, take(Integer.BYTES)), peek());
            case 0x94 -> memo.put(memo.size(), peek());
            case 'h' -> stack.add(remembered(unsignedByte()));
            case 'j' -> stack.add(remembered(bytes.get(INT, take(Integer.BYTES))));
            case 'c' -> stack.add(name(line(), line()));
            case 0x93 -> {
                String name = string(pop());
                stack.add(name(string(pop()), name));
            }
            case 'Q' -> stack.add(storage(pop()));
            case 'R' -> {
                List<Object> arguments = tuple(pop());
                stack.add(build(pop(), arguments));
            }
            case 'b' -> {
                // A state dict's attributes (_metadata) say nothing about its tensors.
                pop();
                dictionary(peek());
            }
            default ->
                throw refused("the pickle has the instruction " + instruction(code) + ", which no state dict needs");
        }
    }

    private static String instruction(int code) {
        return code > ' ' && code < 0x7f ? "'" + (char) code + "'" : "0x" + Integer.toHexString(code);
    }

    private Name name(String module, String name) {
        String whole = module + "." + name;
        if (!FUNCTIONS.contains(whole) && !(module.equals("torch") && name.endsWith("Storage"))) {
            throw refused(
                    "the pickle asks for '" + whole + "', and a state dict needs only OrderedDict, tensors, "
                            + "parameters and storages; nothing was executed. Save the model's state_dict(), or as safetensors");
        }
        return new Name(whole);
    }

    private Object build(Object function, List<Object> arguments) {
        if (!(function instanceof Name name)) {
            throw refused("the pickle calls " + kind(function));
        }
        return switch (name.value()) {
            case ORDERED_DICT -> {
                Map<String, Object> made = new LinkedHashMap<>();
                if (!arguments.isEmpty()) {
                    for (Object pair : list(arguments.getFirst())) {
                        charge(1);
                        putAll(made, pair instanceof List<?> ? list(pair) : tuple(pair));
                    }
                }
                yield made;
            }
            case TENSOR -> view(arguments);
            case PARAMETER -> {
                if (!arguments.isEmpty() && arguments.getFirst() instanceof View view) {
                    yield view;
                }
                throw refused("a parameter holds no tensor");
            }
            default -> throw refused("the pickle calls '" + name.value() + "'");
        };
    }

    /** {@code ('storage', type, key, location, elements)}; the format before zip has a view as a sixth item. */
    private Storage storage(Object id) {
        List<Object> items = tuple(id);
        if (items.size() < 5
                || !items.get(0).equals("storage")
                || !(items.get(1) instanceof Name type)
                || !type.value().endsWith("Storage")
                || !(items.get(2) instanceof String key)
                || !(items.get(4) instanceof Long elements)
                || elements < 0
                || (items.size() > 5 && items.get(5) != Sign.NONE)) {
            throw refused("the pickle refers to something that is no storage of torch.save");
        }
        Storage storage = new Storage(type.value().substring("torch.".length()), key, elements);
        Storage before = storages.putIfAbsent(key, storage);
        if (before != null && !before.equals(storage)) {
            throw refused("storage " + key + " is " + before.type() + " of " + before.elements() + " elements and here "
                    + storage.type() + " of " + elements);
        }
        return storage;
    }

    /** {@code (storage, offset, shape, strides, requires_grad, hooks[, metadata])} */
    private View view(List<Object> arguments) {
        if (arguments.size() < 4
                || !(arguments.get(0) instanceof Storage storage)
                || !(arguments.get(1) instanceof Long offset)) {
            throw refused("a tensor is not made of a storage, an offset, a shape and strides");
        }
        long[] shape = sizes(arguments.get(2));
        long[] strides = sizes(arguments.get(3));
        if (shape.length != strides.length || offset < 0) {
            throw refused("a tensor has " + shape.length + " dimensions, " + strides.length + " strides and the offset "
                    + offset);
        }
        return new View(storage, offset, shape, strides);
    }

    private long[] sizes(Object value) {
        List<Object> items = tuple(value);
        if (items.size() > MOST_DIMENSIONS) {
            throw refused("a tensor has " + items.size() + " dimensions, expected at most " + MOST_DIMENSIONS);
        }
        long[] sizes = new long[items.size()];
        for (int i = 0; i < sizes.length; i++) {
            if (!(items.get(i) instanceof Long size) || size < 0) {
                throw refused("a tensor's shape and strides have to be whole numbers of 0 or more");
            }
            sizes[i] = size;
        }
        return sizes;
    }

    private void putAll(Map<String, Object> target, List<Object> keysAndValues) {
        if (keysAndValues.size() % 2 != 0) {
            throw refused("a dictionary gets a key without a value");
        }
        charge(keysAndValues.size() / 2);
        for (int i = 0; i < keysAndValues.size(); i += 2) {
            target.put(string(keysAndValues.get(i)), keysAndValues.get(i + 1));
        }
    }

    private String string(Object value) {
        if (value instanceof String string) {
            return string;
        }
        throw refused("the pickle has " + kind(value) + " where a name should be");
    }

    private List<Object> tuple(Object value) {
        if (value instanceof Tuple tuple) {
            return tuple.items();
        }
        throw refused("the pickle has " + kind(value) + " where a tuple should be");
    }

    @SuppressWarnings("unchecked") // only this class makes lists, all of them of objects
    private List<Object> list(Object value) {
        if (value instanceof List<?> list) {
            return (List<Object>) list;
        }
        throw refused("the pickle has " + kind(value) + " where a list should be");
    }

    @SuppressWarnings("unchecked") // only this class makes maps, all of them with strings for keys
    private Map<String, Object> dictionary(Object value) {
        if (value instanceof Map<?, ?> map) {
            return (Map<String, Object>) map;
        }
        throw refused("the pickle has " + kind(value) + " where a dictionary should be");
    }

    /** What a value is, never its content: that may be as large as the file, or hold itself. */
    static String kind(Object value) {
        return switch (value) {
            case View view -> "a tensor";
            case Storage storage -> "a storage";
            case Map<?, ?> map -> "a dictionary";
            case List<?> list -> "a list";
            case Tuple tuple -> "a tuple";
            case String string -> "a text";
            case Name name -> "the name " + name.value();
            case Sign sign -> sign == Sign.NONE ? "None" : "nothing";
            default -> "the value " + value;
        };
    }

    private Object peek() {
        if (stack.isEmpty() || stack.getLast() == Sign.MARK) {
            throw refused("the pickle takes a value that is not there");
        }
        return stack.getLast();
    }

    private Object pop() {
        Object value = peek();
        stack.removeLast();
        return value;
    }

    private List<Object> popLast(int count) {
        List<Object> items = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            items.addFirst(pop());
        }
        return items;
    }

    private List<Object> popToMark() {
        int mark = stack.lastIndexOf(Sign.MARK);
        if (mark < 0) {
            throw refused("the pickle takes values that are not there");
        }
        List<Object> above = stack.subList(mark, stack.size());
        List<Object> items = new ArrayList<>(above.subList(1, above.size()));
        above.clear();
        return items;
    }

    private Object remembered(int number) {
        Object value = memo.get(number);
        if (value == null) {
            throw refused("the pickle recalls value " + number + ", which it never kept");
        }
        return value;
    }

    private long wholeNumber(int length) {
        if (length > Long.BYTES) {
            throw refused("the pickle has a number of " + length + " bytes, expected at most 8");
        }
        long value = 0;
        for (int i = 0; i < length; i++) {
            value |= (long) unsignedByte() << (8 * i);
        }
        int unused = Long.SIZE - 8 * length;
        return length == 0 ? 0 : value << unused >> unused;
    }

    private String text(long length) {
        textBytes += length;
        if (textBytes > MOST_TEXT) {
            throw refused("the pickle has more than " + MOST_TEXT + " bytes of names, a text of " + length + " here");
        }
        return new String(bytes.asSlice(take(length), length).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
    }

    private String line() {
        long start = at;
        while (unsignedByte() != '\n') {
            if (at - start > 1000) {
                throw refused("the pickle asks for a name of more than 1000 bytes");
            }
        }
        return new String(bytes.asSlice(start, at - 1 - start).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
    }

    private int unsignedByte() {
        return Byte.toUnsignedInt(bytes.get(ValueLayout.JAVA_BYTE, take(1)));
    }

    /** Moves on by {@code count} bytes and says where they begin. */
    private long take(long count) {
        if (count > bytes.byteSize() - at) {
            throw refused("the pickle goes on for " + count + " bytes from byte " + at + ", and there are "
                    + (bytes.byteSize() - at) + "; the file is cut short or damaged, fetch it again");
        }
        long start = at;
        at += count;
        return start;
    }

    private VlmException refused(String what) {
        return CheckpointReader.unreadable(file, "at byte " + step + " of its pickle: " + what, null);
    }
}
