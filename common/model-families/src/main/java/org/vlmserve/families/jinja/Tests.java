package org.vlmserve.families.jinja;

import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.jinja.Values.Callable;
import org.vlmserve.families.jinja.Values.Tuple;
import org.vlmserve.families.jinja.Values.Undefined;

/** jinja2's tests, what stands behind {@code is}. */
final class Tests {

    interface Test {
        boolean holds(@Nullable Object value, Arguments args);
    }

    private static final Map<String, Test> ALL = new HashMap<>();

    private Tests() {}

    /** The test of this name, or null. */
    static @Nullable Test find(String name) {
        return ALL.get(name);
    }

    private static void put(Test test, String... names) {
        for (String name : names) {
            ALL.put(name, test);
        }
    }

    static {
        put((v, args) -> !(v instanceof Undefined), "defined");
        put((v, args) -> v instanceof Undefined, "undefined");
        put((v, args) -> v == null, "none");
        put((v, args) -> v instanceof Boolean, "boolean");
        put((v, args) -> Boolean.TRUE.equals(v), "true");
        put((v, args) -> Boolean.FALSE.equals(v), "false");
        put((v, args) -> v instanceof Long, "integer");
        put((v, args) -> v instanceof Double, "float");
        put((v, args) -> Values.isNumber(v), "number");
        put((v, args) -> v instanceof String, "string");
        put((v, args) -> v instanceof Map<?, ?>, "mapping");
        put(
                (v, args) -> v instanceof String
                        || v instanceof List<?>
                        || v instanceof Map<?, ?>
                        || v instanceof Tuple
                        || v instanceof Undefined,
                "iterable",
                "sequence");
        put((v, args) -> v instanceof Callable, "callable");
        put((v, args) -> Math.floorMod(Values.integer(v), 2) == 1, "odd");
        put((v, args) -> Math.floorMod(Values.integer(v), 2) == 0, "even");
        put((v, args) -> Values.integer(v) % Values.integer(args.get(0)) == 0, "divisibleby");
        put((v, args) -> Values.equal(v, args.get(0)), "==", "eq", "equalto");
        put((v, args) -> !Values.equal(v, args.get(0)), "!=", "ne");
        put((v, args) -> Values.compare(v, args.get(0)) < 0, "<", "lt", "lessthan");
        put((v, args) -> Values.compare(v, args.get(0)) <= 0, "<=", "le");
        put((v, args) -> Values.compare(v, args.get(0)) > 0, ">", "gt", "greaterthan");
        put((v, args) -> Values.compare(v, args.get(0)) >= 0, ">=", "ge");
        put((v, args) -> Values.contains(args.get(0), v), "in");
        put(
                (v, args) -> Values.str(v).equals(Values.str(v).toLowerCase(Locale.ROOT))
                        && !Values.str(v).equals(Values.str(v).toUpperCase(Locale.ROOT)),
                "lower");
        put(
                (v, args) -> Values.str(v).equals(Values.str(v).toUpperCase(Locale.ROOT))
                        && !Values.str(v).equals(Values.str(v).toLowerCase(Locale.ROOT)),
                "upper");
        put(
                (v, args) -> v == args.get(0) || (v instanceof Boolean || v instanceof Long) && v.equals(args.get(0)),
                "sameas");
        put((v, args) -> Filters.find(Values.str(v)) != null, "filter");
        put((v, args) -> find(Values.str(v)) != null, "test");
    }
}
