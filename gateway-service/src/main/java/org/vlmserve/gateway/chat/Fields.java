package org.vlmserve.gateway.chat;

import java.util.HashSet;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * One JSON object of a request, read field by field. Null counts as absent. {@link #end} refuses each field that nobody
 * read, so that no wish is dropped silently.
 */
final class Fields {

    private final ObjectNode node;
    private final String path;
    private final CutBody body;
    private final Set<String> read = new HashSet<>();

    /** @param path of this object, empty for the request itself */
    Fields(ObjectNode node, String path, CutBody body) {
        this.node = node;
        this.path = path;
        this.body = body;
    }

    static Fields of(JsonNode value, String path, CutBody body) {
        if (value instanceof ObjectNode object) {
            return new Fields(object, path, body);
        }
        throw wrongType(path, value, "an object");
    }

    /** The names that were asked for so far, whether they were there or not. */
    Set<String> known() {
        return Set.copyOf(read);
    }

    /** Of this object. */
    String path() {
        return path;
    }

    String at(String name) {
        return path.isEmpty() ? name : path + "." + name;
    }

    /** The value, or null if it is absent or null. */
    @Nullable
    JsonNode any(String name) {
        read.add(name);
        JsonNode value = node.get(name);
        return value == null || value.isNull() ? null : value;
    }

    JsonNode required(String name, String expected) {
        JsonNode value = any(name);
        if (value == null) {
            throw invalid(at(name), "is missing; expected " + expected);
        }
        return value;
    }

    @Nullable
    Fields object(String name) {
        JsonNode value = any(name);
        return value == null ? null : of(value, at(name), body);
    }

    @Nullable
    String text(String name) {
        JsonNode value = any(name);
        return value == null ? null : text(value, at(name));
    }

    String requiredText(String name) {
        return text(required(name, "a string"), at(name));
    }

    String text(JsonNode value, String at) {
        if (!value.isString()) {
            throw wrongType(at, value, "a string");
        }
        String text = body.restore(value.stringValue());
        for (int i = 0; i < text.length(); i++) {
            if (Character.isHighSurrogate(text.charAt(i))
                    && i + 1 < text.length()
                    && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(text.charAt(i))) {
                throw invalid(at, "holds half of a surrogate pair at character " + i + ", which is not text");
            }
        }
        return text;
    }

    /**
     * A copy of any JSON value in which every string is as the caller wrote it.
     *
     * @throws VlmException {@code INVALID_REQUEST} for broken text and for integers beyond 64 bits
     */
    JsonNode restored(JsonNode value, String at) {
        if (value instanceof ObjectNode object) {
            ObjectNode copy = JsonNodeFactory.instance.objectNode();
            object.properties().forEach(entry -> copy.set(entry.getKey(), restored(entry.getValue(), at)));
            return copy;
        }
        if (value.isArray()) {
            ArrayNode copy = JsonNodeFactory.instance.arrayNode();
            value.forEach(item -> copy.add(restored(item, at)));
            return copy;
        }
        if (value.isIntegralNumber() && !value.canConvertToLong()) {
            throw invalid(at, "holds " + value + ", expected integers of at most 64 bits");
        }
        return value.isString() ? JsonNodeFactory.instance.stringNode(text(value, at)) : value;
    }

    /** Requires that every value is a string. */
    void texts() {
        node.propertyNames().forEach(this::text);
    }

    boolean flag(String name, boolean absent) {
        JsonNode value = any(name);
        if (value == null) {
            return absent;
        }
        if (!value.isBoolean()) {
            throw wrongType(at(name), value, "true or false");
        }
        return value.booleanValue();
    }

    @Nullable
    Integer integer(String name, int least, int most) {
        Long value = longInteger(name, least, most);
        return value == null ? null : value.intValue();
    }

    int requiredInteger(String name, int least, int most) {
        required(name, "an integer");
        return Objects.requireNonNull(integer(name, least, most));
    }

    @Nullable
    Long longInteger(String name, long least, long most) {
        JsonNode value = any(name);
        if (value == null) {
            return null;
        }
        if (!value.isNumber()) {
            throw wrongType(at(name), value, "an integer");
        }
        if (!value.isIntegralNumber()) {
            throw invalid(at(name), "is " + value + ", expected an integer");
        }
        if (!value.canConvertToLong() || value.longValue() < least || value.longValue() > most) {
            throw invalid(at(name), "is " + value + ", expected " + least + " to " + most);
        }
        return value.longValue();
    }

    /** A number from {@code least} to {@code most}, both included. */
    @Nullable
    Double number(String name, double least, double most) {
        JsonNode value = any(name);
        return value == null ? null : number(value, at(name), least, most);
    }

    static double number(JsonNode value, String at, double least, double most) {
        if (!value.isNumber()) {
            throw wrongType(at, value, "a number");
        }
        double number = value.doubleValue();
        if (!(number >= least && number <= most)) {
            throw invalid(at, "is " + value + ", expected " + plain(least) + " to " + plain(most));
        }
        return number;
    }

    /** Refuses this field if it is there. */
    void refuse(String name, String hint) {
        if (any(name) != null) {
            throw unsupported(at(name), hint);
        }
    }

    /** @throws VlmException {@code UNSUPPORTED_FIELD} for the first field that was not read */
    void end() {
        for (String name : node.propertyNames()) {
            if (!read.contains(name) && !node.get(name).isNull()) {
                throw unsupported(at(shortened(name)), "is not known here; remove it");
            }
        }
    }

    static VlmException invalid(String at, String what) {
        return new VlmException(ErrorCode.INVALID_REQUEST, at + " " + what, at, null);
    }

    static VlmException unsupported(String at, String hint) {
        return new VlmException(ErrorCode.UNSUPPORTED_FIELD, at + " " + hint, at, null);
    }

    static VlmException wrongType(String at, JsonNode value, String expected) {
        String type = value.isNull() ? "null" : value.getNodeType().name().toLowerCase(java.util.Locale.ROOT);
        return invalid(at.isEmpty() ? "the body" : at, "is of type " + type + ", expected " + expected);
    }

    private static String shortened(String name) {
        return name.length() <= 64 ? name : name.substring(0, 64) + "…";
    }

    private static String plain(double bound) {
        return bound == Math.rint(bound) && Math.abs(bound) < 1e9
                ? Long.toString((long) bound)
                : Double.toString(bound);
    }
}
