package org.vlmserve.families.jinja;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Python's values: how they print, compare, add up and give their parts away. */
final class Values {

    /** A name or part that does not exist: prints as nothing, is false and empty; anything else is an error. */
    record Undefined(String what) {
        TemplateException error() {
            return new TemplateException(what + " is undefined");
        }
    }

    record Tuple(List<@Nullable Object> items) {}

    /** {@code namespace(…)}: the one thing that a template may change. It may come to hold itself, so it is equal to itself alone. */
    static final class Namespace {

        private final Map<String, @Nullable Object> values;

        Namespace(Map<String, @Nullable Object> values) {
            this.values = values;
        }

        Map<String, @Nullable Object> values() {
            return values;
        }
    }

    /** Something that can be called. */
    interface Callable {
        @Nullable
        Object call(Arguments args);
    }

    private Values() {}

    /** A caller's value, with the number types that templates compute with. */
    static @Nullable Object plain(@Nullable Object value) {
        Budget.enter();
        Object plain = converted(value);
        Budget.leave();
        return plain;
    }

    private static @Nullable Object converted(@Nullable Object value) {
        return switch (value) {
            case Integer n -> n.longValue();
            case Float f -> f.doubleValue();
            case List<?> list -> {
                List<@Nullable Object> items = new ArrayList<>(list.size());
                for (Object item : list) {
                    items.add(plain(item));
                }
                yield items;
            }
            case Map<?, ?> map -> {
                Map<String, @Nullable Object> copy = map();
                map.forEach((key, item) -> copy.put(String.valueOf(key), plain(item)));
                yield copy;
            }
            case null -> value;
            default -> value;
        };
    }

    static boolean truth(@Nullable Object value) {
        return switch (value) {
            case null -> false;
            case Undefined any -> false;
            case Boolean b -> b;
            case Long n -> n != 0;
            case Double d -> d != 0;
            case String s -> !s.isEmpty();
            case List<?> list -> !list.isEmpty();
            case Map<?, ?> map -> !map.isEmpty();
            case Tuple tuple -> !tuple.items().isEmpty();
            default -> true;
        };
    }

    /** {@code str(value)}. */
    static String str(@Nullable Object value) {
        return switch (value) {
            case String s -> s;
            case Undefined any -> "";
            case null -> repr(value);
            default -> repr(value);
        };
    }

    static String repr(@Nullable Object value) {
        Budget.enter();
        String text = Budget.made(printed(value));
        Budget.leave();
        return text;
    }

    private static String printed(@Nullable Object value) {
        return switch (value) {
            case null -> "None";
            case Undefined any -> "Undefined";
            case Boolean b -> b ? "True" : "False";
            case Long n -> Long.toString(n);
            case Double d -> repr(d.doubleValue());
            case String s -> quoted(s);
            case Tuple t ->
                t.items().size() == 1 ? "(" + repr(t.items().getFirst()) + ",)" : joined(t.items(), "(", ")");
            case List<?> list -> joined(list, "[", "]");
            case Map<?, ?> map -> {
                StringBuilder out = new StringBuilder("{");
                map.forEach((key, item) -> {
                    out.append(out.length() > 1 ? ", " : "")
                            .append(repr(key))
                            .append(": ")
                            .append(repr(item));
                });
                yield out.append('}').toString();
            }
            default -> throw new TemplateException("a " + type(value) + " cannot be printed");
        };
    }

    private static String joined(List<?> items, String open, String close) {
        StringBuilder out = new StringBuilder(open);
        for (int i = 0; i < items.size(); i++) {
            out.append(i > 0 ? ", " : "").append(repr(items.get(i)));
        }
        return out.append(close).toString();
    }

    /** The shortest digits that read back as the same number, with an exponent outside 1e-4 … 1e16. */
    static String repr(double d) {
        if (Double.isNaN(d)) {
            return "nan";
        }
        if (Double.isInfinite(d)) {
            return d > 0 ? "inf" : "-inf";
        }
        if (d == 0) {
            return 1 / d < 0 ? "-0.0" : "0.0";
        }
        BigDecimal decimal = new BigDecimal(Double.toString(d)).stripTrailingZeros();
        int exponent = decimal.precision() - decimal.scale() - 1;
        if (exponent >= -4 && exponent < 16) {
            String plain = decimal.toPlainString();
            return plain.indexOf('.') < 0 ? plain + ".0" : plain;
        }
        String digits = decimal.unscaledValue().abs().toString();
        return (d < 0 ? "-" : "")
                + digits.charAt(0)
                + (digits.length() > 1 ? "." + digits.substring(1) : "")
                + (exponent < 0 ? "e-" : "e+")
                + (Math.abs(exponent) < 10 ? "0" : "")
                + Math.abs(exponent);
    }

    private static String quoted(String s) {
        char quote = s.indexOf('\'') >= 0 && s.indexOf('"') < 0 ? '"' : '\'';
        StringBuilder out = new StringBuilder().append(quote);
        s.codePoints().forEach(c -> {
            switch (c) {
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                case '\\' -> out.append("\\\\");
                default -> {
                    if (c == quote) {
                        out.append('\\').append(quote);
                    } else if (c == ' ' || printable(c)) {
                        out.appendCodePoint(c);
                    } else if (c < 0x100) {
                        out.append("\\x").append(HexFormat.of().toHexDigits(c, 2));
                    } else if (c < 0x10000) {
                        out.append("\\u").append(HexFormat.of().toHexDigits(c, 4));
                    } else {
                        out.append("\\U").append(HexFormat.of().toHexDigits(c, 8));
                    }
                }
            }
        });
        return out.append(quote).toString();
    }

    private static boolean printable(int c) {
        return switch (Character.getType(c)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.PRIVATE_USE,
                    Character.UNASSIGNED,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR,
                    Character.SPACE_SEPARATOR -> false;
            default -> true;
        };
    }

    static String type(@Nullable Object value) {
        return switch (value) {
            case null -> "None";
            case Undefined any -> "undefined value";
            case Boolean any -> "bool";
            case Long any -> "int";
            case Double any -> "float";
            case String any -> "str";
            case List<?> any -> "list";
            case Map<?, ?> any -> "dict";
            case Tuple any -> "tuple";
            case Namespace any -> "namespace";
            case Callable any -> "function";
            default -> value.getClass().getSimpleName();
        };
    }

    /** {@code iter(value)}, as a list that is not to be changed. */
    @SuppressWarnings("unchecked") // whatever a list holds is an object or null
    static List<@Nullable Object> iterate(@Nullable Object value) {
        return switch (value) {
            case Undefined any -> List.of();
            case Tuple tuple -> tuple.items();
            case List<?> list -> (List<@Nullable Object>) list;
            case Map<?, ?> map -> {
                Budget.make(map.size());
                yield new ArrayList<>(map.keySet());
            }
            case String s -> {
                Budget.make(s.length());
                List<@Nullable Object> characters = new ArrayList<>();
                s.codePoints().forEach(c -> characters.add(Character.toString(c)));
                yield characters;
            }
            case null -> throw new TemplateException("a " + type(value) + " cannot be iterated over");
            default -> throw new TemplateException("a " + type(value) + " cannot be iterated over");
        };
    }

    static long length(@Nullable Object value) {
        return switch (value) {
            case Undefined any -> 0;
            case String s -> {
                Budget.read(s.length());
                yield s.codePointCount(0, s.length());
            }
            case List<?> list -> list.size();
            case Map<?, ?> map -> map.size();
            case Tuple tuple -> tuple.items().size();
            case null -> throw new TemplateException("a " + type(value) + " has no length");
            default -> throw new TemplateException("a " + type(value) + " has no length");
        };
    }

    static boolean isNumber(@Nullable Object value) {
        return value instanceof Long || value instanceof Double || value instanceof Boolean;
    }

    static boolean isInteger(@Nullable Object value) {
        return value instanceof Long || value instanceof Boolean;
    }

    static long integer(@Nullable Object value) {
        return switch (value) {
            case Long n -> n;
            case Boolean b -> b ? 1 : 0;
            case null -> throw new TemplateException("expected an int, got a " + type(value));
            default -> throw new TemplateException("expected an int, got a " + type(value));
        };
    }

    static double number(@Nullable Object value) {
        return value instanceof Double d ? d : integer(value);
    }

    static boolean equal(@Nullable Object a, @Nullable Object b) {
        Budget.enter();
        boolean equal = same(a, b);
        Budget.leave();
        return equal;
    }

    private static boolean same(@Nullable Object a, @Nullable Object b) {
        if (isNumber(a) && isNumber(b)) {
            return a instanceof Double || b instanceof Double ? number(a) == number(b) : integer(a) == integer(b);
        }
        if (a instanceof Undefined || b instanceof Undefined) {
            return a instanceof Undefined && b instanceof Undefined;
        }
        if (a instanceof Tuple x && b instanceof Tuple y) {
            return equalItems(x.items(), y.items());
        }
        if (a instanceof List<?> x && b instanceof List<?> y) {
            return equalItems(x, y);
        }
        if (a instanceof Map<?, ?> x && b instanceof Map<?, ?> y) {
            return x.size() == y.size()
                    && x.entrySet().stream()
                            .allMatch(e -> y.containsKey(e.getKey()) && equal(e.getValue(), y.get(e.getKey())));
        }
        if (a instanceof String x && b instanceof String y && x.length() == y.length()) {
            Budget.read(x.length());
        }
        return a == null ? b == null : a.equals(b);
    }

    private static boolean equalItems(List<?> a, List<?> b) {
        if (a.size() != b.size()) {
            return false;
        }
        for (int i = 0; i < a.size(); i++) {
            if (!equal(a.get(i), b.get(i))) {
                return false;
            }
        }
        return true;
    }

    static int compare(@Nullable Object a, @Nullable Object b) {
        Budget.enter();
        int order = order(a, b);
        Budget.leave();
        return order;
    }

    private static int order(@Nullable Object a, @Nullable Object b) {
        if (isNumber(a) && isNumber(b)) {
            return a instanceof Double || b instanceof Double
                    ? Double.compare(number(a), number(b))
                    : Long.compare(integer(a), integer(b));
        }
        if (a instanceof String x && b instanceof String y) {
            return orderOfTexts(x, y);
        }
        if ((a instanceof List<?> || a instanceof Tuple) && type(a).equals(type(b))) {
            List<@Nullable Object> x = iterate(a);
            List<@Nullable Object> y = iterate(b);
            for (int i = 0; i < Math.min(x.size(), y.size()); i++) {
                if (!equal(x.get(i), y.get(i))) {
                    return compare(x.get(i), y.get(i));
                }
            }
            return Integer.compare(x.size(), y.size());
        }
        throw new TemplateException("a " + type(a) + " and a " + type(b) + " cannot be ordered");
    }

    /** By code points, which Java's order of UTF-16 is not: surrogates stand for what is above all other characters. */
    private static int orderOfTexts(String x, String y) {
        int common = Math.min(x.length(), y.length());
        Budget.read(common);
        for (int i = 0; i < common; i++) {
            char a = x.charAt(i);
            char b = y.charAt(i);
            if (a != b) {
                return Character.isSurrogate(a) == Character.isSurrogate(b)
                        ? Character.compare(a, b)
                        : Character.isSurrogate(a) ? 1 : -1;
            }
        }
        return Integer.compare(x.length(), y.length());
    }

    /** {@code item in container}. */
    static boolean contains(@Nullable Object container, @Nullable Object item) {
        if (container instanceof String s) {
            if (!(item instanceof String part)) {
                throw new TemplateException("'in' a string needs a string, got a " + type(item));
            }
            Budget.search(s, part);
            return s.contains(part);
        }
        if (container instanceof Map<?, ?> map) {
            return map.containsKey(key(item));
        }
        for (Object candidate : iterate(container)) {
            if (equal(candidate, item)) {
                return true;
            }
        }
        return false;
    }

    static @Nullable Object add(@Nullable Object a, @Nullable Object b) {
        if (isInteger(a) && isInteger(b)) {
            return Math.addExact(integer(a), integer(b));
        }
        if (isNumber(a) && isNumber(b)) {
            return number(a) + number(b);
        }
        if (a instanceof String x && b instanceof String y) {
            Budget.make((long) x.length() + y.length());
            return x + y;
        }
        if (a instanceof List<?> x && b instanceof List<?> y) {
            Budget.make((long) x.size() + y.size());
            List<@Nullable Object> sum = new ArrayList<>(x);
            sum.addAll(y);
            return sum;
        }
        if (a instanceof Tuple x && b instanceof Tuple y) {
            Budget.make((long) x.items().size() + y.items().size());
            List<@Nullable Object> sum = new ArrayList<>(x.items());
            sum.addAll(y.items());
            return new Tuple(sum);
        }
        throw unsupported("+", a, b);
    }

    static @Nullable Object arithmetic(String operator, @Nullable Object a, @Nullable Object b) {
        if (operator.equals("+")) {
            return add(a, b);
        }
        if (operator.equals("*") && isInteger(b) && (a instanceof String || a instanceof List<?>)) {
            return repeated(a, integer(b));
        }
        if (operator.equals("*") && isInteger(a) && (b instanceof String || b instanceof List<?>)) {
            return repeated(b, integer(a));
        }
        if (!isNumber(a) || !isNumber(b)) {
            throw unsupported(operator, a, b);
        }
        if ((operator.equals("/") || operator.equals("//") || operator.equals("%")) && number(b) == 0) {
            throw new TemplateException("division by zero");
        }
        boolean whole = isInteger(a) && isInteger(b);
        return switch (operator) {
            case "-" -> whole ? (Object) Math.subtractExact(integer(a), integer(b)) : (Object) (number(a) - number(b));
            case "*" -> whole ? (Object) Math.multiplyExact(integer(a), integer(b)) : (Object) (number(a) * number(b));
            case "/" -> number(a) / number(b);
            case "//" ->
                whole
                        ? (Object) Math.floorDivExact(integer(a), integer(b))
                        : (Object) Math.floor(number(a) / number(b));
            case "%" ->
                whole
                        ? (Object) Math.floorMod(integer(a), integer(b))
                        : (Object) (number(a) - Math.floor(number(a) / number(b)) * number(b));
            case "**" ->
                whole && integer(b) >= 0
                        ? (Object) power(integer(a), integer(b))
                        : (Object) Math.pow(number(a), number(b));
            default -> throw unsupported(operator, a, b);
        };
    }

    /** Exact, or an ArithmeticException: all but −1, 0 and 1 leave 64 bits with their 63rd power or before. */
    private static long power(long base, long exponent) {
        if (base == 0 || base == 1 || base == -1) {
            return exponent == 0 || base == 1 ? 1 : base == 0 ? 0 : exponent % 2 == 0 ? 1 : -1;
        }
        long result = 1;
        for (long i = 0; i < exponent; i++) {
            result = Math.multiplyExact(result, base);
        }
        return result;
    }

    private static Object repeated(Object value, long times) {
        if (value instanceof String s) {
            return Budget.repeat(s, times);
        }
        List<@Nullable Object> items = iterate(value);
        List<@Nullable Object> out = new ArrayList<>();
        for (long i = items.isEmpty() ? times : 0; i < times; i++) {
            Budget.make(items.size());
            out.addAll(items);
        }
        return out;
    }

    private static TemplateException unsupported(String operator, @Nullable Object a, @Nullable Object b) {
        if (a instanceof Undefined u) {
            return u.error();
        }
        if (b instanceof Undefined u) {
            return u.error();
        }
        return new TemplateException("'" + operator + "' of a " + type(a) + " and a " + type(b));
    }

    /** {@code value.name}: a method or attribute first, an item otherwise. */
    static @Nullable Object attribute(@Nullable Object value, String name) {
        if (value instanceof Undefined u) {
            throw u.error();
        }
        if (name.startsWith("_")) {
            throw new TemplateException("access to '" + name + "' is not allowed");
        }
        if (value instanceof Namespace namespace) {
            return namespace.values().containsKey(name) ? namespace.values().get(name) : missing(value, name);
        }
        Callable method = Methods.find(value, name);
        if (method != null) {
            return method;
        }
        if (value instanceof Map<?, ?> map && map.containsKey(name)) {
            return map.get(name);
        }
        return missing(value, name);
    }

    /** {@code value[key]}: an item first, an attribute otherwise. */
    static @Nullable Object item(@Nullable Object value, @Nullable Object key) {
        if (value instanceof Undefined u) {
            throw u.error();
        }
        if (value instanceof Map<?, ?> map) {
            if (map.containsKey(key(key))) {
                return map.get(key(key));
            }
        } else if (isInteger(key) && (value instanceof List<?> || value instanceof Tuple || value instanceof String)) {
            long size = length(value);
            long index = integer(key) < 0 ? integer(key) + size : integer(key);
            if (index < 0 || index >= size) {
                return missing(value, str(key));
            }
            return value instanceof String s
                    ? Character.toString(s.codePointAt(s.offsetByCodePoints(0, (int) index)))
                    : iterate(value).get((int) index);
        }
        return key instanceof String name ? attribute(value, name) : missing(value, str(key));
    }

    private static Undefined missing(@Nullable Object value, String name) {
        return new Undefined("'" + name + "' of a " + type(value));
    }

    /** {@code value[start:stop:step]}. */
    static Object slice(@Nullable Object value, @Nullable Object start, @Nullable Object stop, @Nullable Object step) {
        if (!(value instanceof String || value instanceof List<?> || value instanceof Tuple)) {
            throw value instanceof Undefined u
                    ? u.error()
                    : new TemplateException("a " + type(value) + " has no slices");
        }
        long n = length(value);
        long by = step == null ? 1 : integer(step);
        if (by == 0) {
            throw new TemplateException("a slice's step cannot be 0");
        }
        long from = bound(start, n, by, by > 0 ? 0 : n - 1);
        long to = bound(stop, n, by, by > 0 ? n : -1);
        if (value instanceof String s && by == 1) {
            int begin = s.offsetByCodePoints(0, (int) from);
            return Budget.made(s.substring(begin, s.offsetByCodePoints(begin, (int) Math.max(0, to - from))));
        }
        List<@Nullable Object> items = iterate(value);
        List<@Nullable Object> taken = new ArrayList<>();
        // A step that is longer than the sequence takes one item, and must not run over.
        long stride = Math.clamp(by, -n - 1, n + 1);
        for (long i = from; stride > 0 ? i < to : i > to; i += stride) {
            Budget.make(1);
            taken.add(items.get((int) i));
        }
        if (value instanceof String) {
            StringBuilder out = new StringBuilder();
            taken.forEach(out::append);
            return out.toString();
        }
        return value instanceof Tuple ? new Tuple(taken) : taken;
    }

    private static long bound(@Nullable Object given, long n, long step, long absent) {
        if (given == null) {
            return absent;
        }
        long at = integer(given);
        at = at < 0 ? at + n : at;
        return step > 0 ? Math.clamp(at, 0, n) : Math.clamp(at, -1, n - 1);
    }

    /** Python's whitespace, which is not Java's. */
    static boolean isSpace(int c) {
        return c == ' '
                || c >= 9 && c <= 13
                || c >= 0x1c && c <= 0x1f
                || c == 0x85
                || c == 0xa0
                || c == 0x1680
                || c >= 0x2000 && c <= 0x200a
                || c == 0x2028
                || c == 0x2029
                || c == 0x202f
                || c == 0x205f
                || c == 0x3000;
    }

    static String rstrip(String s) {
        int end = s.length();
        while (end > 0 && isSpace(s.charAt(end - 1))) {
            end--;
        }
        return s.substring(0, end);
    }

    static String lstrip(String s) {
        int start = 0;
        while (start < s.length() && isSpace(s.charAt(start))) {
            start++;
        }
        return s.substring(start);
    }

    /** A dict's key: Python takes True, 1 and 1.0 for the same one, and lists and dicts for none. */
    static @Nullable Object key(@Nullable Object key) {
        if (key instanceof List<?> || key instanceof Map<?, ?>) {
            throw new TemplateException("a " + type(key) + " cannot be a key of a dict");
        }
        if (key instanceof Tuple tuple) {
            Budget.enter();
            tuple.items().forEach(Values::key);
            Budget.leave();
        }
        if (key instanceof Boolean b) {
            return b ? 1L : 0L;
        }
        return key instanceof Double d && d == Math.rint(d) && Math.abs(d) < 1L << 53 ? (Object) d.longValue() : key;
    }

    static Map<String, @Nullable Object> map() {
        return new LinkedHashMap<>();
    }
}
