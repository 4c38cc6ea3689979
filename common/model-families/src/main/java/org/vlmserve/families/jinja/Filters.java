package org.vlmserve.families.jinja;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.jinja.Values.Undefined;

/** jinja2's filters. */
final class Filters {

    interface Filter {
        @Nullable
        Object apply(@Nullable Object value, Arguments args);
    }

    private static final Map<String, Filter> ALL = new HashMap<>();
    private static final Pattern INDEX = Pattern.compile("[0-9]{1,18}");

    private Filters() {}

    /** The filter of this name, or null. */
    static @Nullable Filter find(String name) {
        return ALL.get(name);
    }

    /** What a filter makes of a value, charged for. */
    static @Nullable Object applied(Filter filter, @Nullable Object value, Arguments args) {
        Budget.touch(1);
        if (value instanceof String text) {
            Budget.read(text.length());
        }
        return Budget.made(filter.apply(value, args));
    }

    static {
        ALL.put(
                "abs",
                (v, args) -> v instanceof Double d ? (Object) Math.abs(d) : (Object) Math.absExact(Values.integer(v)));
        ALL.put("attr", (v, args) -> Values.attribute(v, Values.str(args.get(0))));
        ALL.put("capitalize", (v, args) -> Methods.capitalize(Values.str(v)));
        ALL.put("default", Filters::defaulted);
        ALL.put("d", Filters::defaulted);
        ALL.put("dictsort", Filters::dictsort);
        ALL.put("escape", (v, args) -> escape(Values.str(v)));
        ALL.put("e", (v, args) -> escape(Values.str(v)));
        ALL.put("first", (v, args) -> {
            List<@Nullable Object> items = Values.iterate(v);
            return items.isEmpty() ? new Undefined("the first item of an empty sequence") : items.getFirst();
        });
        ALL.put("last", (v, args) -> {
            List<@Nullable Object> items = Values.iterate(v);
            return items.isEmpty() ? new Undefined("the last item of an empty sequence") : items.getLast();
        });
        ALL.put("float", (v, args) -> {
            try {
                return v instanceof String s ? Double.parseDouble(s.strip()) : Values.number(v);
            } catch (NumberFormatException | TemplateException e) {
                return args.get(0, "default", 0.0);
            }
        });
        ALL.put("int", (v, args) -> {
            try {
                return v instanceof String s
                        ? parsed(s.strip(), (int) Values.integer(args.get(1, "base", 10L)))
                        : v instanceof Double d ? (long) d.doubleValue() : Values.integer(v);
            } catch (NumberFormatException | TemplateException e) {
                return args.get(0, "default", 0L);
            }
        });
        ALL.put("indent", Filters::indent);
        ALL.put("items", (v, args) -> {
            if (v instanceof Undefined) {
                return List.of();
            }
            if (v instanceof Map<?, ?> map) {
                return Methods.items(map);
            }
            throw new TemplateException("items of a " + Values.type(v) + "; expected a dict");
        });
        ALL.put("join", (v, args) -> {
            Object attribute = args.get(1, "attribute", null);
            List<@Nullable Object> texts = new ArrayList<>();
            for (Object item : Values.iterate(v)) {
                Budget.touch(1);
                texts.add(Values.str(attribute == null ? item : path(item, attribute)));
            }
            return Methods.join(Values.str(args.get(0, "d", "")), texts);
        });
        ALL.put("length", (v, args) -> Values.length(v));
        ALL.put("count", (v, args) -> Values.length(v));
        ALL.put("list", (v, args) -> Values.iterate(v));
        ALL.put("lower", (v, args) -> Values.str(v).toLowerCase(Locale.ROOT));
        ALL.put("upper", (v, args) -> Values.str(v).toUpperCase(Locale.ROOT));
        ALL.put("map", Filters::map);
        ALL.put("max", (v, args) -> extreme(v, args.named(), Comparator.reverseOrder()));
        ALL.put("min", (v, args) -> extreme(v, args.named(), Comparator.naturalOrder()));
        ALL.put("select", (v, args) -> select(v, args, null, true));
        ALL.put("reject", (v, args) -> select(v, args, null, false));
        ALL.put("selectattr", (v, args) -> select(v, args.from(1), args.get(0), true));
        ALL.put("rejectattr", (v, args) -> select(v, args.from(1), args.get(0), false));
        ALL.put(
                "replace",
                (v, args) -> Methods.replace(
                        Values.str(v),
                        Values.str(args.get(0)),
                        Values.str(args.get(1)),
                        Values.integer(args.get(2, "count", -1L))));
        ALL.put("reverse", (v, args) -> {
            if (v instanceof String s) {
                return Values.slice(s, null, null, -1L);
            }
            List<@Nullable Object> items = new ArrayList<>(Values.iterate(v));
            Collections.reverse(items);
            return items;
        });
        ALL.put("round", Filters::round);
        ALL.put("safe", (v, args) -> v);
        ALL.put("sort", Filters::sort);
        ALL.put("string", (v, args) -> Values.str(v));
        ALL.put("sum", (v, args) -> {
            Object attribute = args.get(0, "attribute", null);
            Object sum = args.get(1, "start", 0L);
            for (Object item : Values.iterate(v)) {
                sum = Values.add(sum, attribute == null ? item : path(item, attribute));
            }
            return sum;
        });
        ALL.put("title", (v, args) -> title(Values.str(v)));
        ALL.put(
                "tojson",
                (v, args) -> Json.dumps(
                        v,
                        Values.truth(args.get(0, "ensure_ascii", false)),
                        args.get(1, "indent", null),
                        args.get(2, "separators", null),
                        Values.truth(args.get(3, "sort_keys", false))));
        ALL.put("trim", (v, args) -> {
            Object chars = args.get(0, "chars", null);
            return Methods.strip(Values.str(v), chars == null ? null : Values.str(chars), true, true);
        });
        ALL.put("unique", (v, args) -> {
            boolean sensitive = Values.truth(args.get(0, "case_sensitive", false));
            List<@Nullable Object> seen = new ArrayList<>();
            List<@Nullable Object> unique = new ArrayList<>();
            for (Object item : Values.iterate(v)) {
                Object key = folded(item, sensitive);
                if (seen.stream().noneMatch(known -> Values.equal(known, key))) {
                    seen.add(key);
                    unique.add(item);
                }
            }
            return unique;
        });
    }

    /** Python's {@code int(text, base)}, and what jinja2 falls back to: a float's whole part. */
    private static Long parsed(String text, int base) {
        String lower = text.toLowerCase(Locale.ROOT).replace("_", "");
        int prefix = lower.startsWith("0x") ? 16 : lower.startsWith("0o") ? 8 : lower.startsWith("0b") ? 2 : 0;
        if (prefix != 0 && (base == 0 || base == prefix)) {
            return Long.valueOf(lower.substring(2), prefix);
        }
        try {
            return Long.valueOf(lower, base == 0 ? 10 : base);
        } catch (NumberFormatException e) {
            return (long) Double.parseDouble(lower);
        }
    }

    private static @Nullable Object defaulted(@Nullable Object value, Arguments args) {
        boolean falsy = Values.truth(args.get(1, "boolean", false));
        return value instanceof Undefined || falsy && !Values.truth(value) ? args.get(0, "default_value", "") : value;
    }

    /** {@code a.b.0}: the path that filters take as an attribute. */
    private static @Nullable Object path(@Nullable Object item, @Nullable Object attribute) {
        if (attribute instanceof Long) {
            return Values.item(item, attribute);
        }
        Object value = item;
        Budget.touch(1);
        for (String part : Values.str(attribute).split("\\.", -1)) {
            Budget.touch(1);
            value = Values.item(value, INDEX.matcher(part).matches() ? (Object) Long.valueOf(part) : part);
        }
        return value;
    }

    private static @Nullable Object folded(@Nullable Object value, boolean caseSensitive) {
        return !caseSensitive && value instanceof String s ? s.toLowerCase(Locale.ROOT) : value;
    }

    private static Object dictsort(@Nullable Object value, Arguments args) {
        if (!(value instanceof Map<?, ?> map)) {
            throw new TemplateException("dictsort of a " + Values.type(value));
        }
        boolean sensitive = Values.truth(args.get(0, "case_sensitive", false));
        int index = Values.str(args.get(1, "by", "key")).equals("value") ? 1 : 0;
        boolean reverse = Values.truth(args.get(2, "reverse", false));
        List<@Nullable Object> items = Methods.items(map);
        Comparator<@Nullable Object> order = (a, b) -> Values.compare(
                folded(Values.iterate(a).get(index), sensitive),
                folded(Values.iterate(b).get(index), sensitive));
        items.sort(reverse ? order.reversed() : order);
        return items;
    }

    private static String escape(String s) {
        return s.replace("&", "&amp;")
                .replace(">", "&gt;")
                .replace("<", "&lt;")
                .replace("'", "&#39;")
                .replace("\"", "&#34;");
    }

    private static String indent(@Nullable Object value, Arguments args) {
        Object width = args.get(0, "width", 4L);
        boolean first = Values.truth(args.get(1, "first", false));
        boolean blank = Values.truth(args.get(2, "blank", false));
        String unit = width instanceof String s ? s : Budget.repeat(" ", Values.integer(width));
        String[] lines = (Values.str(value)).split("\n", -1);
        Budget.make(lines.length);
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < lines.length; i++) {
            boolean indented = i == 0 ? first : blank || !lines[i].isEmpty();
            out.append(i > 0 ? "\n" : "");
            Budget.append(out, indented ? unit : "");
            out.append(lines[i]);
        }
        return out.toString();
    }

    private static Object map(@Nullable Object value, Arguments args) {
        List<@Nullable Object> out = new ArrayList<>();
        if (args.named().containsKey("attribute")) {
            for (Object item : Values.iterate(value)) {
                Object found = path(item, args.named().get("attribute"));
                out.add(
                        found instanceof Undefined && args.named().containsKey("default")
                                ? args.named().get("default")
                                : found);
            }
            return out;
        }
        if (args.size() == 0) {
            throw new TemplateException("map needs a filter or an attribute");
        }
        String name = Values.str(args.get(0));
        Filter filter = ALL.get(name);
        if (filter == null) {
            throw new TemplateException("there is no filter '" + name + "'");
        }
        for (Object item : Values.iterate(value)) {
            out.add(applied(filter, item, args.from(1)));
        }
        return out;
    }

    private static @Nullable Object extreme(
            @Nullable Object value, Map<String, @Nullable Object> named, Comparator<Integer> order) {
        List<@Nullable Object> items = Values.iterate(value);
        if (items.isEmpty()) {
            return new Undefined("an item of an empty sequence");
        }
        boolean sensitive = Values.truth(named.getOrDefault("case_sensitive", false));
        Object attribute = named.get("attribute");
        Object best = items.getFirst();
        for (Object item : items) {
            int compared = Values.compare(
                    folded(attribute == null ? item : path(item, attribute), sensitive),
                    folded(attribute == null ? best : path(best, attribute), sensitive));
            if (order.compare(compared, 0) < 0) {
                best = item;
            }
        }
        return best;
    }

    private static Object select(@Nullable Object value, Arguments args, @Nullable Object attribute, boolean keep) {
        Predicate<@Nullable Object> test = Values::truth;
        if (args.size() > 0) {
            String name = Values.str(args.get(0));
            Tests.Test found = Tests.find(name);
            if (found == null) {
                throw new TemplateException("there is no test '" + name + "'");
            }
            Arguments rest = args.from(1);
            test = item -> found.holds(item, rest);
        }
        List<@Nullable Object> out = new ArrayList<>();
        for (Object item : Values.iterate(value)) {
            Budget.touch(1);
            if (test.test(attribute == null ? item : path(item, attribute)) == keep) {
                out.add(item);
            }
        }
        return out;
    }

    private static Object round(@Nullable Object value, Arguments args) {
        // A double has no digits beyond these, so that rounding there changes nothing, or leaves nothing.
        int precision = (int) Math.clamp(Values.integer(args.get(0, "precision", 0L)), -400, 400);
        String method = Values.str(args.get(1, "method", "common"));
        double number = Values.number(value);
        if (!Double.isFinite(number)) {
            return number;
        }
        if (method.equals("common")) {
            return new BigDecimal(number)
                    .setScale(precision, RoundingMode.HALF_EVEN)
                    .doubleValue();
        }
        double scale = Math.pow(10, precision);
        return method.equals("ceil") ? Math.ceil(number * scale) / scale : Math.floor(number * scale) / scale;
    }

    private static Object sort(@Nullable Object value, Arguments args) {
        boolean reverse = Values.truth(args.get(0, "reverse", false));
        boolean sensitive = Values.truth(args.get(1, "case_sensitive", false));
        Object attribute = args.get(2, "attribute", null);
        List<@Nullable Object> items = new ArrayList<>(Values.iterate(value));
        Comparator<@Nullable Object> order = (a, b) -> Values.compare(
                folded(attribute == null ? a : path(a, attribute), sensitive),
                folded(attribute == null ? b : path(b, attribute), sensitive));
        items.sort(reverse ? order.reversed() : order);
        return items;
    }

    private static String title(String s) {
        StringBuilder out = new StringBuilder();
        boolean inWord = false;
        for (int c : s.codePoints().toArray()) {
            out.appendCodePoint(inWord ? Character.toLowerCase(c) : Character.toUpperCase(c));
            inWord = !(c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || Values.isSpace(c));
        }
        return out.toString();
    }
}
