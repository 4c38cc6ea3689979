package org.vlmserve.families.prompt;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A caller's own arguments for the chat template, from JSON to the values that {@link ChatTemplate} knows. */
public final class TemplateArguments {

    private static final JsonMapper JSON = JsonMapper.shared();

    private TemplateArguments() {}

    /**
     * @param json an object
     * @return strings, longs, doubles, booleans, nulls, lists and maps by name
     * @throws VlmException {@code INVALID_REQUEST} for what is no JSON object or holds a number beyond 64 bits
     */
    public static Map<String, @Nullable Object> parse(String json) {
        JsonNode tree;
        try {
            tree = JSON.readTree(json);
        } catch (JacksonException e) {
            throw new VlmException(ErrorCode.INVALID_REQUEST, "the template's arguments are not JSON", e);
        }
        if (!tree.isObject()) {
            throw new VlmException(ErrorCode.INVALID_REQUEST, "the template's arguments are not a JSON object");
        }
        return object(tree);
    }

    private static Map<String, @Nullable Object> object(JsonNode node) {
        Map<String, @Nullable Object> values = new LinkedHashMap<>();
        node.properties().forEach(entry -> values.put(entry.getKey(), value(entry.getValue())));
        return values;
    }

    private static @Nullable Object value(JsonNode node) {
        return switch (node.getNodeType()) {
            case OBJECT -> object(node);
            case ARRAY -> {
                List<@Nullable Object> items = new ArrayList<>();
                node.forEach(item -> items.add(value(item)));
                yield items;
            }
            case STRING -> node.stringValue();
            case BOOLEAN -> node.booleanValue();
            case NUMBER -> number(node);
            default -> null;
        };
    }

    private static Object number(JsonNode node) {
        if (!node.isIntegralNumber()) {
            return node.doubleValue();
        }
        if (!node.canConvertToLong()) {
            throw new VlmException(
                    ErrorCode.INVALID_REQUEST, "the template's arguments hold an integer beyond 64 bits: " + node);
        }
        return node.longValue();
    }
}
