package org.vlmserve.families.jinja;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
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

    /** {@code namespace(…)}: the one thing that a template may change. */
    record Namespace(Map<String, @Nullable Object> values) {}

    /** Something that can be called. */
    interface Callable {
        @Nullable
        Object call(Arguments args);
    }

    private Values() {}

    /** A caller's value, with the number types that templates compute with. */
    static @Nullable Object plain(@Nullable Object value) {
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
                        out.append(String.format("\\x%02x", c));
                    } else if (c < 0x10000) {
                        out.append(String.format("\\u%04x", c));
                    } else {
                        out.append(String.format("\\U%08x", c));
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

    /** {@code iter(value)}, as a list. */
    static List<@Nullable Object> iterate(@Nullable Object value) {
        return switch (value) {
            case Undefined any -> List.of();
            case Tuple tuple -> tuple.items();
            case List<?> list -> new ArrayList<>(list);
            case Map<?, ?> map -> new ArrayList<>(map.keySet());
            case String s -> {
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
            case String s -> s.codePointCount(0, s.length());
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
        if (isNumber(a) && isNumber(b)) {
            return a instanceof Double || b instanceof Double
                    ? Double.compare(number(a), number(b))
                    : Long.compare(integer(a), integer(b));
        }
        if (a instanceof String x && b instanceof String y) {
            return Arrays.compare(x.codePoints().toArray(), y.codePoints().toArray());
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

    /** {@code item in container}. */
    static boolean contains(@Nullable Object container, @Nullable Object item) {
        if (container instanceof String s) {
            if (!(item instanceof String part)) {
                throw new TemplateException("'in' a string needs a string, got a " + type(item));
            }
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
            return x + y;
        }
        if (a instanceof List<?> x && b instanceof List<?> y) {
            List<@Nullable Object> sum = new ArrayList<>(x);
            sum.addAll(y);
            return sum;
        }
        if (a instanceof Tuple x && b instanceof Tuple y) {
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
                whole ? (Object) Math.floorDiv(integer(a), integer(b)) : (Object) Math.floor(number(a) / number(b));
            case "%" ->
                whole
                        ? (Object) Math.floorMod(integer(a), integer(b))
                        : (Object) (number(a) - Math.floor(number(a) / number(b)) * number(b));
            case "**" ->
                whole && integer(b) >= 0
                        ? (Object) java.math.BigInteger.valueOf(integer(a))
                                .pow((int) integer(b))
                                .longValueExact()
                        : (Object) Math.pow(number(a), number(b));
            default -> throw unsupported(operator, a, b);
        };
    }

    private static Object repeated(Object value, long times) {
        int n = Math.toIntExact(Math.max(0, times));
        if (value instanceof String s) {
            return s.repeat(n);
        }
        List<@Nullable Object> out = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            out.addAll(iterate(value));
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
            List<@Nullable Object> items = iterate(value);
            long index = integer(key) < 0 ? integer(key) + items.size() : integer(key);
            return index >= 0 && index < items.size() ? items.get((int) index) : missing(value, str(key));
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
        List<@Nullable Object> items = iterate(value);
        long n = items.size();
        long by = step == null ? 1 : integer(step);
        if (by == 0) {
            throw new TemplateException("a slice's step cannot be 0");
        }
        long from = bound(start, n, by, by > 0 ? 0 : n - 1);
        long to = bound(stop, n, by, by > 0 ? n : -1);
        List<@Nullable Object> taken = new ArrayList<>();
        for (long i = from; by > 0 ? i < to : i > to; i += by) {
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

    /** A dict's key: Python takes True, 1 and 1.0 for the same one. */
    static @Nullable Object key(@Nullable Object key) {
        if (key instanceof Boolean b) {
            return b ? 1L : 0L;
        }
        return key instanceof Double d && d == Math.rint(d) && Math.abs(d) < 1L << 53 ? (Object) d.longValue() : key;
    }

    static Map<String, @Nullable Object> map() {
        return new LinkedHashMap<>();
    }
}
