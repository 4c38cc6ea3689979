package org.vlmserve.families.jinja;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.jinja.Values.Callable;
import org.vlmserve.families.jinja.Values.Tuple;
import org.vlmserve.families.jinja.Values.Undefined;

/** The methods of Python's str, dict and list. Those that change their object are refused, as in jinja2's sandbox. */
final class Methods {

    private Methods() {}

    /** The method of this name, or null if the value's type has none in Python either. */
    static @Nullable Callable find(@Nullable Object value, String name) {
        return switch (value) {
            case String s -> string(s, name);
            case Map<?, ?> map -> map(map, name);
            case List<?> list -> list(list, name);
            case Tuple tuple -> name.equals("index") || name.equals("count") ? list(tuple.items(), name) : null;
            case null -> null;
            default -> null;
        };
    }

    private static @Nullable Callable map(Map<?, ?> map, String name) {
        return switch (name) {
            case "get" ->
                args -> {
                    Object key = args.get(0, "key", null);
                    Object known = Values.key(key);
                    return map.containsKey(known) ? map.get(known) : args.get(1, "default", null);
                };
            case "items" -> args -> items(map);
            case "keys" -> args -> new ArrayList<@Nullable Object>(map.keySet());
            case "values" -> args -> new ArrayList<@Nullable Object>(map.values());
            case "copy" -> args -> map;
            case "clear", "pop", "popitem", "setdefault", "update" -> throw forbidden("dict", name);
            default -> null;
        };
    }

    static List<@Nullable Object> items(Map<?, ?> map) {
        List<@Nullable Object> items = new ArrayList<>();
        map.forEach((key, value) -> {
            List<@Nullable Object> pair = new ArrayList<>();
            pair.add(key);
            pair.add(value);
            items.add(new Tuple(pair));
        });
        return items;
    }

    private static @Nullable Callable list(List<?> list, String name) {
        return switch (name) {
            case "count" ->
                args -> list.stream()
                        .filter(item -> Values.equal(item, args.get(0)))
                        .count();
            case "index" ->
                args -> {
                    for (int i = 0; i < list.size(); i++) {
                        if (Values.equal(list.get(i), args.get(0))) {
                            return (long) i;
                        }
                    }
                    throw new TemplateException("the value is not in the list");
                };
            case "copy" -> args -> list;
            case "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort" ->
                throw forbidden("list", name);
            default -> null;
        };
    }

    private static TemplateException forbidden(String type, String name) {
        return new TemplateException("'" + name + "' would change a " + type + ", which the reference forbids");
    }

    private static @Nullable Callable string(String s, String name) {
        return switch (name) {
            case "upper" -> args -> s.toUpperCase(Locale.ROOT);
            case "lower" -> args -> s.toLowerCase(Locale.ROOT);
            case "capitalize" -> args -> capitalize(s);
            case "title" -> args -> title(s);
            case "strip" -> args -> strip(s, chars(args), true, true);
            case "lstrip" -> args -> strip(s, chars(args), true, false);
            case "rstrip" -> args -> strip(s, chars(args), false, true);
            case "startswith" -> args -> affix(s, args, String::startsWith);
            case "endswith" -> args -> affix(s, args, String::endsWith);
            case "removeprefix" ->
                args -> s.startsWith(args.text(0)) ? s.substring(args.text(0).length()) : s;
            case "removesuffix" ->
                args -> !args.text(0).isEmpty() && s.endsWith(args.text(0))
                        ? s.substring(0, s.length() - args.text(0).length())
                        : s;
            case "replace" -> args -> replace(s, args.text(0), args.text(1), Values.integer(args.get(2, "count", -1L)));
            case "split" ->
                args -> split(s, args.get(0, "sep", null), Values.integer(args.get(1, "maxsplit", -1L)), false);
            case "rsplit" ->
                args -> split(s, args.get(0, "sep", null), Values.integer(args.get(1, "maxsplit", -1L)), true);
            case "splitlines" -> args -> lines(s, Values.truth(args.get(0, "keepends", false)));
            case "partition" -> args -> partition(s, args.text(0), indexOf(s, args.text(0)), true);
            case "rpartition" -> args -> partition(s, args.text(0), lastIndexOf(s, args.text(0)), false);
            case "join" -> args -> join(s, Values.iterate(args.get(0)));
            case "find" -> args -> points(s, indexOf(s, args.text(0)));
            case "rfind" -> args -> points(s, lastIndexOf(s, args.text(0)));
            case "index" ->
                args -> {
                    int at = indexOf(s, args.text(0));
                    if (at < 0) {
                        throw new TemplateException("substring not found");
                    }
                    return points(s, at);
                };
            case "count" -> args -> count(s, args.text(0));
            case "isdigit" -> args -> all(s, Character::isDigit);
            case "isnumeric", "isdecimal" -> args -> all(s, Character::isDigit);
            case "isalpha" -> args -> all(s, Character::isLetter);
            case "isalnum" -> args -> all(s, Character::isLetterOrDigit);
            case "isspace" -> args -> all(s, Values::isSpace);
            case "isupper" -> args -> s.equals(s.toUpperCase(Locale.ROOT)) && !s.equals(s.toLowerCase(Locale.ROOT));
            case "islower" -> args -> s.equals(s.toLowerCase(Locale.ROOT)) && !s.equals(s.toUpperCase(Locale.ROOT));
            case "zfill" ->
                args -> {
                    long missing = Values.integer(args.get(0)) - Values.length(s);
                    boolean signed = s.startsWith("-") || s.startsWith("+");
                    String zeros = Budget.repeat("0", missing);
                    return signed ? s.charAt(0) + zeros + s.substring(1) : zeros + s;
                };
            case "ljust" -> args -> s + pad(s, args);
            case "rjust" -> args -> pad(s, args) + s;
            case "casefold",
                    "center",
                    "encode",
                    "expandtabs",
                    "format",
                    "format_map",
                    "isascii",
                    "isidentifier",
                    "isprintable",
                    "istitle",
                    "maketrans",
                    "rindex",
                    "swapcase",
                    "translate" -> throw new TemplateException("str." + name + " is not supported");
            default -> null;
        };
    }

    private static @Nullable String chars(Arguments args) {
        Object chars = args.get(0, "chars", null);
        return chars == null ? null : args.text(0);
    }

    static String strip(String s, @Nullable String chars, boolean left, boolean right) {
        Budget.search(s, chars == null ? "" : chars);
        int start = 0;
        int end = s.length();
        while (left && start < end && stripped(s.codePointAt(start), chars)) {
            start += Character.charCount(s.codePointAt(start));
        }
        while (right && end > start && stripped(s.codePointBefore(end), chars)) {
            end -= Character.charCount(s.codePointBefore(end));
        }
        return s.substring(start, end);
    }

    private static boolean stripped(int c, @Nullable String chars) {
        return chars == null ? Values.isSpace(c) : chars.indexOf(c) >= 0;
    }

    private static boolean affix(String s, Arguments args, BiFunction<String, String, Boolean> holds) {
        if (args.get(0) instanceof Tuple options) {
            return options.items().stream().anyMatch(o -> holds.apply(s, Values.str(o)));
        }
        return holds.apply(s, args.text(0));
    }

    static String capitalize(String s) {
        if (s.isEmpty()) {
            return s;
        }
        int first = s.offsetByCodePoints(0, 1);
        return s.substring(0, first).toUpperCase(Locale.ROOT)
                + s.substring(first).toLowerCase(Locale.ROOT);
    }

    private static String title(String s) {
        StringBuilder out = new StringBuilder();
        boolean inWord = false;
        for (int c : s.codePoints().toArray()) {
            out.appendCodePoint(inWord ? Character.toLowerCase(c) : Character.toTitleCase(c));
            inWord = Character.isLetter(c);
        }
        return out.toString();
    }

    /** Nothing is found before each character and at the end, as in Python. */
    static String replace(String s, String old, String with, long count) {
        Budget.search(s, old);
        StringBuilder out = new StringBuilder();
        int from = 0;
        for (long done = 0; count < 0 || done < count; done++) {
            int at = s.indexOf(old, from);
            if (at < 0) {
                break;
            }
            out.append(s, from, at);
            Budget.append(out, with);
            from = at + old.length();
            if (old.isEmpty()) {
                if (at == s.length()) {
                    break;
                }
                from = s.offsetByCodePoints(at, 1);
                out.append(s, at, from);
            }
        }
        Budget.make(s.length());
        return out.append(s, from, s.length()).toString();
    }

    private static List<@Nullable Object> split(String s, @Nullable Object separator, long most, boolean fromRight) {
        if (separator == null) {
            return splitSpace(s, most, fromRight);
        }
        if (!(separator instanceof String sep)) {
            throw new TemplateException("expected a string, got a " + Values.type(separator));
        }
        if (sep.isEmpty()) {
            throw new TemplateException("an empty separator");
        }
        Budget.search(s, sep);
        Budget.make(s.length());
        List<@Nullable Object> parts = new ArrayList<>();
        int start = 0;
        int end = s.length();
        while (most < 0 || parts.size() < most) {
            int at = fromRight ? s.lastIndexOf(sep, end - sep.length()) : s.indexOf(sep, start);
            if (at < 0) {
                break;
            }
            parts.add(fromRight ? s.substring(at + sep.length(), end) : s.substring(start, at));
            start = fromRight ? start : at + sep.length();
            end = fromRight ? at : end;
        }
        parts.add(s.substring(start, end));
        if (fromRight) {
            Collections.reverse(parts);
        }
        return parts;
    }

    private static List<@Nullable Object> splitSpace(String s, long most, boolean fromRight) {
        if (fromRight && most >= 0) {
            throw new TemplateException("str.rsplit with a limit needs a separator here");
        }
        Budget.make(s.length());
        List<@Nullable Object> parts = new ArrayList<>();
        int at = nextInk(s, 0);
        while (at < s.length()) {
            if (most >= 0 && parts.size() == most) {
                parts.add(s.substring(at));
                break;
            }
            int end = at;
            while (end < s.length() && !Values.isSpace(s.charAt(end))) {
                end++;
            }
            parts.add(s.substring(at, end));
            at = nextInk(s, end);
        }
        return parts;
    }

    /** Where the next character is that is no space. */
    private static int nextInk(String s, int from) {
        int at = from;
        while (at < s.length() && Values.isSpace(s.charAt(at))) {
            at++;
        }
        return at;
    }

    private static List<@Nullable Object> lines(String s, boolean keepEnds) {
        Budget.make(s.length());
        List<@Nullable Object> lines = new ArrayList<>();
        int from = 0;
        while (from < s.length()) {
            int end = from;
            while (end < s.length() && "\n\r\u000b\f\u001c\u001d\u001e\u0085\u2028\u2029".indexOf(s.charAt(end)) < 0) {
                end++;
            }
            int next = Math.min(s.length(), end + (s.startsWith("\r\n", end) ? 2 : 1));
            lines.add(s.substring(from, keepEnds ? next : end));
            from = next;
        }
        return lines;
    }

    private static Tuple partition(String s, String separator, int at, boolean first) {
        if (at < 0) {
            return new Tuple(first ? List.of(s, "", "") : List.of("", "", s));
        }
        return new Tuple(List.of(s.substring(0, at), separator, s.substring(at + separator.length())));
    }

    static String join(String separator, List<@Nullable Object> items) {
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < items.size(); i++) {
            if (!(items.get(i) instanceof String s)) {
                throw items.get(i) instanceof Undefined u
                        ? u.error()
                        : new TemplateException("str.join of a " + Values.type(items.get(i)));
            }
            Budget.append(out, i > 0 ? separator : "");
            Budget.append(out, s);
        }
        return out.toString();
    }

    private static int indexOf(String s, String part) {
        Budget.search(s, part);
        return s.indexOf(part);
    }

    private static int lastIndexOf(String s, String part) {
        Budget.search(s, part);
        return s.lastIndexOf(part);
    }

    private static long points(String s, int index) {
        return index < 0 ? -1 : s.codePointCount(0, index);
    }

    private static long count(String s, String part) {
        if (part.isEmpty()) {
            return Values.length(s) + 1;
        }
        Budget.search(s, part);
        long count = 0;
        for (int at = s.indexOf(part); at >= 0; at = s.indexOf(part, at + part.length())) {
            count++;
        }
        return count;
    }

    private static boolean all(String s, IntPredicate holds) {
        return !s.isEmpty() && s.codePoints().allMatch(holds);
    }

    private static String pad(String s, Arguments args) {
        String fill = args.size() > 1 ? args.text(1) : " ";
        return Budget.repeat(fill, Values.integer(args.get(0)) - Values.length(s));
    }
}
