package org.vlmserve.families.checkpoint;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.core.JacksonException;
import tools.jackson.core.json.JsonReadFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * An object in one of a checkpoint's JSON files. It knows where it stands, so that each error names file and key. A null
 * counts as absent.
 */
public final class CheckpointJson {

    private static final int LARGEST_SIZE = 1 << 24;
    private static final int MOST_LAYERS = 1024;
    private static final int MOST_POSITIONS = 1 << 22;

    /** The largest published tokenizer.json has half of it. */
    private static final long LARGEST_FILE = 64 << 20;

    /** Characters of a value that an error quotes. */
    private static final int LONGEST_SHOWN = 200;
    /** What Python's reader takes: infinities and NaN, which transformers writes, and the last of several equal keys. */
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            .build();

    private final Path file;
    private final String path;
    private final JsonNode node;

    private CheckpointJson(Path file, String path, JsonNode node) {
        this.file = file;
        this.path = path;
        this.node = node;
    }

    /** @throws VlmException {@code CHECKPOINT_UNREADABLE} if there is no such file, or no JSON object in it */
    public static CheckpointJson read(Path file) {
        CheckpointJson found = readIfPresent(file);
        if (found == null) {
            throw new VlmException(
                    ErrorCode.CHECKPOINT_UNREADABLE,
                    file + ": there is no such file; expected the directory of a Hugging Face checkpoint");
        }
        return found;
    }

    /** The file's object, or null if there is no such file. @throws VlmException {@code CHECKPOINT_UNREADABLE} */
    public static @Nullable CheckpointJson readIfPresent(Path file) {
        if (!Files.exists(file)) {
            return null;
        }
        try {
            if (Files.size(file) > LARGEST_FILE) {
                throw new VlmException(
                        ErrorCode.CHECKPOINT_UNREADABLE,
                        file + ": it has " + Files.size(file) + " bytes, expected at most " + LARGEST_FILE
                                + "; is it another file under this name?");
            }
            byte[] text = Files.readAllBytes(file);
            if (text.length > 2 && text[0] == (byte) 0xef && text[1] == (byte) 0xbb && text[2] == (byte) 0xbf) {
                // Neither Python's reader nor that of the tokenizers takes it.
                throw new VlmException(
                        ErrorCode.CHECKPOINT_UNREADABLE,
                        file + ": begins with a UTF-8 byte order mark; save it again without one");
            }
            JsonNode tree = JSON.readTree(text);
            if (!tree.isObject()) {
                String mistaken = FileContent.TEXT.mistaken(file);
                throw new VlmException(
                        ErrorCode.CHECKPOINT_UNREADABLE,
                        file + ": " + (mistaken == null ? "expected a JSON object" : mistaken));
            }
            return new CheckpointJson(file, "", tree);
        } catch (IOException e) {
            throw new VlmException(ErrorCode.CHECKPOINT_UNREADABLE, file + ": cannot be read: " + e, e);
        } catch (JacksonException e) {
            String mistaken = FileContent.TEXT.mistaken(file);
            throw new VlmException(
                    ErrorCode.CHECKPOINT_UNREADABLE,
                    file + ": is no JSON: " + (mistaken == null ? e.getOriginalMessage() : mistaken),
                    e);
        }
    }

    public boolean has(String key) {
        return node.hasNonNull(key);
    }

    public JsonNode node(String key) {
        return node.path(key);
    }

    /** A copy that may be changed. */
    public ObjectNode copy() {
        return (ObjectNode) node.deepCopy();
    }

    /** All keys, in the file's order. */
    public List<String> keys() {
        return node.properties().stream().map(Map.Entry::getKey).toList();
    }

    /** The object under this key; where the key is absent, an empty one, so that every default applies. */
    public CheckpointJson object(String key) {
        JsonNode value = node.path(key);
        if (has(key) && !value.isObject()) {
            throw unreadable(key, "an object");
        }
        return new CheckpointJson(
                file, path + key + ".", has(key) ? value : JsonMapper.shared().createObjectNode());
    }

    public int intValue(String key, int absent) {
        return has(key) ? requireInt(key) : absent;
    }

    public int requireInt(String key) {
        long value = requireLong(key);
        if (value != (int) value) {
            throw unreadable(key, "a number of 32 bits");
        }
        return (int) value;
    }

    public long longValue(String key, long absent) {
        return has(key) ? requireLong(key) : absent;
    }

    private long requireLong(String key) {
        JsonNode value = node.path(key);
        if (value.isIntegralNumber() && value.canConvertToLong()) {
            return value.longValue();
        }
        // A float without fraction is taken too: published files have mlp_ratio as 4 and as 4.0.
        double number = finite(value);
        if (number != Math.rint(number) || Math.abs(number) >= 0x1p63) {
            throw unreadable(key, "a whole number of 64 bits");
        }
        return (long) number;
    }

    /** A size or a count: at least 1, and at most {@value #LARGEST_SIZE}, which no published model's come near. */
    public int positiveInt(String key, int absent) {
        return positiveInt(key, absent, LARGEST_SIZE);
    }

    /** A number of layers: at least 1, and at most {@value #MOST_LAYERS}. */
    public int layers(String key, int absent) {
        return positiveInt(key, absent, MOST_LAYERS);
    }

    /** How many positions a decoder has: at least 1, and at most {@value #MOST_POSITIONS}; tables of as many rows are made. */
    public int positions(String key, int absent) {
        return positiveInt(key, absent, MOST_POSITIONS);
    }

    private int positiveInt(String key, int absent, int most) {
        int value = intValue(key, absent);
        if (value <= 0) {
            throw unreadable(key, "a positive number");
        }
        if (value > most) {
            throw unsupported(key, "at most " + most);
        }
        return value;
    }

    public double doubleValue(String key, double absent) {
        Double value = optionalDouble(key);
        return value == null ? absent : value;
    }

    public @Nullable Double optionalDouble(String key) {
        if (!has(key)) {
            return null;
        }
        double value = finite(node.path(key));
        if (Double.isNaN(value)) {
            throw unreadable(key, "a finite number");
        }
        return value;
    }

    /** The number, or NaN for a value that is none, or none that a double holds. */
    private static double finite(JsonNode value) {
        double number = value.isNumber() ? value.asDouble(Double.NaN) : Double.NaN;
        return Double.isFinite(number) ? number : Double.NaN;
    }

    public @Nullable Integer optionalInt(String key) {
        return has(key) ? Integer.valueOf(requireInt(key)) : null;
    }

    public boolean booleanValue(String key, boolean absent) {
        if (!has(key)) {
            return absent;
        }
        if (!node.path(key).isBoolean()) {
            throw unreadable(key, "true or false");
        }
        return node.path(key).booleanValue();
    }

    public String string(String key, String absent) {
        String value = optionalString(key);
        return value == null ? absent : value;
    }

    public @Nullable String optionalString(String key) {
        if (!has(key)) {
            return null;
        }
        if (!node.path(key).isString()) {
            throw unreadable(key, "a string");
        }
        return node.path(key).stringValue();
    }

    /** A list of numbers, or one number as a list of one. */
    public List<Integer> intOrInts(String key, List<Integer> absent) {
        if (!has(key)) {
            return absent;
        }
        JsonNode value = node.path(key);
        List<Integer> found = new ArrayList<>();
        for (JsonNode item : value.isArray() ? value : List.of(value)) {
            if (!item.isInt()) {
                throw unreadable(key, "a whole number or a list of them");
            }
            found.add(item.intValue());
        }
        return List.copyOf(found);
    }

    public List<Double> doubles(String key, List<Double> absent) {
        if (!has(key)) {
            return absent;
        }
        List<Double> found = new ArrayList<>();
        for (JsonNode item : node.path(key)) {
            double value = finite(item);
            if (Double.isNaN(value)) {
                throw unreadable(key, "a list of finite numbers");
            }
            found.add(value);
        }
        if (found.isEmpty()) {
            throw unreadable(key, "a list of numbers");
        }
        return List.copyOf(found);
    }

    /** The objects of an array; where the key is absent, none. */
    public List<CheckpointJson> objects(String key) {
        List<CheckpointJson> found = new ArrayList<>();
        if (!has(key)) {
            return found;
        }
        for (JsonNode item : node.path(key)) {
            if (!item.isObject()) {
                throw unreadable(key, "a list of objects");
            }
            found.add(new CheckpointJson(file, path + key + "[" + found.size() + "].", item));
        }
        return found;
    }

    /** Says that this key's value is not what it has to be. */
    public VlmException unreadable(String key, String expected) {
        return new VlmException(ErrorCode.CHECKPOINT_UNREADABLE, where(key) + "; expected " + expected);
    }

    /** Says that this key asks for something that is not built. */
    public VlmException unsupported(String key, String expected) {
        return new VlmException(ErrorCode.CHECKPOINT_UNSUPPORTED, where(key) + "; supported: " + expected);
    }

    private String where(String key) {
        return file + ": '" + path + key + "' is " + (has(key) ? shown(node.path(key)) : "absent");
    }

    private static String shown(JsonNode value) {
        String json = value.toString();
        return json.length() <= LONGEST_SHOWN ? json : json.substring(0, LONGEST_SHOWN) + " …";
    }
}
