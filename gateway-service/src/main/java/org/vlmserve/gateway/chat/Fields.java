package org.vlmserve.gateway.chat;

import java.util.HashSet;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.vlmserve.gateway.config.ApiConfig.UnknownFields;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * One JSON object of a request, read field by field. Null counts as absent. {@link #end} deals with each field that nobody read, as {@link ApiFields} says.
 */
final class Fields {

    /** Whole numbers up to this are exact as floating-point numbers. */
    private static final double EXACT = 0x1p53;

    private final ObjectNode node;
    private final ApiFields.Place place;
    private final String path;
    private final FieldContext context;
    private final Set<String> read = new HashSet<>();

    private Fields(ObjectNode node, ApiFields.Place place, String path, FieldContext context) {
        this.node = node;
        this.place = place;
        this.path = path;
        this.context = context;
    }

    /** @param path of this object, empty for the request itself */
    static Fields of(JsonNode value, ApiFields.Place place, String path, FieldContext context) {
        if (value instanceof ObjectNode object) {
            return new Fields(object, place, path, context);
        }
        throw wrongType(path, value, "an object");
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
        ApiFields.Field field = ApiFields.find(place, name);
        if (field == null || field.state() != ApiFields.State.OBEYED) {
            throw new IllegalStateException(place.at(name) + " is read, and is not in the table of what is obeyed");
        }
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
    Fields object(String name, ApiFields.Place inside) {
        JsonNode value = any(name);
        return value == null ? null : of(value, inside, at(name), context);
    }

    Fields requiredObject(String name, ApiFields.Place inside, String expected) {
        return of(required(name, expected), inside, at(name), context);
    }

    /** Says of a field that was read that it has no effect after all. */
    void ignore(String name) {
        if (any(name) != null) {
            context.ignored().add(at(name), place.at(name));
        }
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
        String text = context.body().restore(value.stringValue());
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
        if (!isWhole(value)) {
            throw invalid(at(name), "is " + value + ", expected an integer");
        }
        if (!value.isIntegralNumber()) {
            value = JsonNodeFactory.instance.numberNode((long) approximately(value));
        }
        if (!value.canConvertToLong() || value.longValue() < least || value.longValue() > most) {
            throw invalid(at(name), "is " + value + ", expected " + least + " to " + most);
        }
        return value.longValue();
    }

    /** An upper bound of 1 or more; one that is beyond {@code int} bounds nothing and is as good as the largest. */
    @Nullable
    Integer ceiling(String name) {
        JsonNode value = any(name);
        if (value == null) {
            return null;
        }
        if (!value.isNumber()) {
            throw wrongType(at(name), value, "an integer");
        }
        if (approximately(value) >= Integer.MAX_VALUE) {
            return Integer.MAX_VALUE;
        }
        Integer bound = integer(name, Integer.MIN_VALUE, Integer.MAX_VALUE);
        if (bound != null && bound < 1) {
            throw invalid(at(name), "is " + value + ", expected 1 or more; leave it out for no limit");
        }
        return bound;
    }

    /** A number as the nearest floating-point one, or an infinity: integers may have any number of digits. */
    static double approximately(JsonNode number) {
        return number.isIntegralNumber() ? number.bigIntegerValue().doubleValue() : number.doubleValue();
    }

    /** Also as {@code 24.0}, which is how languages without integers write 24. */
    private static boolean isWhole(JsonNode value) {
        return value.isIntegralNumber()
                || (Math.rint(approximately(value)) == approximately(value) && Math.abs(approximately(value)) <= EXACT);
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
        double number = approximately(value);
        if (!(number >= least && number <= most)) {
            throw invalid(at, "is " + value + ", expected " + plain(least) + " to " + plain(most));
        }
        return number;
    }

    /**
     * To be called when all that is obeyed has been read.
     *
     * @throws VlmException {@code UNSUPPORTED_FIELD} for the first field that must not be dropped
     */
    void end() {
        for (Map.Entry<String, JsonNode> property : node.properties()) {
            String name = property.getKey();
            if (!read.contains(name) && !property.getValue().isNull()) {
                unread(name, property.getValue());
            }
        }
    }

    private void unread(String name, JsonNode value) {
        ApiFields.Field field = ApiFields.find(place, name);
        String at = at(shortened(name));
        if (field == null) {
            if (context.unknown() == UnknownFields.REFUSE) {
                throw unsupported(at, "is not known here; remove it");
            }
            context.ignored().add(at, IgnoredFields.UNKNOWN);
            return;
        }
        switch (field.state()) {
            case OBEYED -> throw unsupported(at, "has no meaning beside the other fields of this object; remove it");
            case IGNORED -> context.ignored().add(at, field.path());
            case REFUSED -> {
                if (!field.asksNothing(value)) {
                    throw unsupported(at, "is not supported: " + field.why().replace("`", ""));
                }
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
