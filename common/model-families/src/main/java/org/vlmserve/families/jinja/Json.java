package org.vlmserve.families.jinja;

import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.jinja.Values.Tuple;

/** Python's {@code json.dumps}, character by character. */
final class Json {

    private final boolean ascii;
    private final @Nullable String indent;
    private final String itemSeparator;
    private final String keySeparator;
    private final boolean sortKeys;
    private final StringBuilder out = new StringBuilder();

    private Json(boolean ascii, @Nullable String indent, String itemSeparator, String keySeparator, boolean sortKeys) {
        this.ascii = ascii;
        this.indent = indent;
        this.itemSeparator = itemSeparator;
        this.keySeparator = keySeparator;
        this.sortKeys = sortKeys;
    }

    static String dumps(
            @Nullable Object value,
            boolean ascii,
            @Nullable Object indent,
            @Nullable Object separators,
            boolean sortKeys) {
        String unit =
                indent == null ? null : indent instanceof String s ? s : Budget.repeat(" ", Values.integer(indent));
        String items = indent == null ? ", " : ",";
        String keys = ": ";
        if (separators != null) {
            List<@Nullable Object> pair = Values.iterate(separators);
            if (pair.size() != 2) {
                throw new TemplateException(pair.size() + " separators; expected those of items and of keys");
            }
            items = Values.str(pair.get(0));
            keys = Values.str(pair.get(1));
        }
        Json json = new Json(ascii, unit, items, keys, sortKeys);
        json.write(value, 0);
        return json.out.toString();
    }

    private void write(@Nullable Object value, int depth) {
        Budget.enter();
        append(value, depth);
        Budget.leave();
    }

    private void append(@Nullable Object value, int depth) {
        switch (value) {
            case null -> out.append("null");
            case Boolean b -> out.append(b ? "true" : "false");
            case Long n -> out.append(n.longValue());
            case Double d -> out.append(number(d));
            case String s -> string(s);
            case Tuple tuple -> list(tuple.items(), depth);
            case List<?> list -> list(list, depth);
            case Map<?, ?> map -> map(map, depth);
            default -> throw new TemplateException("a " + Values.type(value) + " has no JSON form");
        }
    }

    private void list(List<?> items, int depth) {
        if (items.isEmpty()) {
            out.append("[]");
            return;
        }
        out.append('[');
        for (int i = 0; i < items.size(); i++) {
            Budget.append(out, i > 0 ? itemSeparator : "");
            newLine(depth + 1);
            write(items.get(i), depth + 1);
        }
        newLine(depth);
        out.append(']');
    }

    private void map(Map<?, ?> map, int depth) {
        if (map.isEmpty()) {
            out.append("{}");
            return;
        }
        Map<?, ?> entries = map;
        if (sortKeys) {
            TreeMap<Object, @Nullable Object> sorted = new TreeMap<>(Values::compare);
            sorted.putAll(map);
            entries = sorted;
        }
        out.append('{');
        boolean first = true;
        for (Map.Entry<?, ?> entry : entries.entrySet()) {
            Budget.append(out, first ? "" : itemSeparator);
            first = false;
            newLine(depth + 1);
            string(key(entry.getKey()));
            Budget.append(out, keySeparator);
            write(entry.getValue(), depth + 1);
        }
        newLine(depth);
        out.append('}');
    }

    private static String key(@Nullable Object key) {
        return switch (key) {
            case null -> "null";
            case String s -> s;
            case Boolean b -> b ? "true" : "false";
            case Double d -> number(d);
            default -> Values.str(key);
        };
    }

    private static String number(double d) {
        return Double.isNaN(d) ? "NaN" : Double.isInfinite(d) ? (d > 0 ? "Infinity" : "-Infinity") : Values.repr(d);
    }

    private void newLine(int depth) {
        if (indent != null) {
            out.append('\n');
            Budget.append(out, Budget.repeat(indent, depth));
        }
    }

    private void string(String s) {
        Budget.make(s.length());
        out.append('"');
        for (int i = 0; i < s.length(); i++) {
            char c = s.charAt(i);
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                case '\b' -> out.append("\\b");
                case '\f' -> out.append("\\f");
                default -> {
                    if (c < 0x20 || ascii && c > 0x7e) {
                        out.append("\\u").append(HexFormat.of().toHexDigits(c));
                    } else {
                        out.append(c);
                    }
                }
            }
        }
        out.append('"');
    }
}
