package org.vlmserve.families.jinja;

import java.time.Clock;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.jinja.Parser.Statement;
import org.vlmserve.families.jinja.TemplateException.Kind;
import org.vlmserve.families.jinja.Values.Callable;
import org.vlmserve.families.jinja.Values.Namespace;

/** A parsed template. Immutable and thread-safe. */
public final class Template {

    /** As in jinja2's sandbox. */
    private static final long MOST_IN_RANGE = 100_000;

    private final Statement body;
    private final Clock clock;
    private final TemplateLimits limits;

    /**
     * @param clock what {@code strftime_now} reads
     * @throws TemplateException for a template that is malformed or uses what is not supported
     */
    public Template(String source, Clock clock) {
        this(source, clock, TemplateLimits.DEFAULT);
    }

    /** The same, within limits of one's own. */
    public Template(String source, Clock clock, TemplateLimits limits) {
        if (source.length() > limits.source()) {
            throw Budget.over("the template has " + source.length() + " characters, more", limits.source());
        }
        this.body = new Parser(Lexer.tokens(source), limits.nesting()).template();
        this.clock = clock;
        this.limits = limits;
    }

    /**
     * @param variables plain values: null, {@link Boolean}, {@link Number}, {@link String}, {@link List} and {@link Map} of
     *     them
     * @throws TemplateException if the template refuses the values or cannot do with them what it tries to
     */
    public String render(Map<String, ? extends @Nullable Object> variables) {
        return render(variables, new Budget(limits));
    }

    /** @param budget for what this takes */
    String render(Map<String, ? extends @Nullable Object> variables, Budget budget) {
        return ScopedValue.where(Budget.CURRENT, budget).call(() -> rendered(variables));
    }

    private String rendered(Map<String, ? extends @Nullable Object> variables) {
        Scope globals = new Scope(null);
        globals.set("range", (Callable) args -> range(args.positional()));
        globals.set("dict", (Callable) args -> {
            Map<String, @Nullable Object> map = Values.map();
            map.putAll(args.named());
            return map;
        });
        globals.set("namespace", (Callable) args -> {
            Map<String, @Nullable Object> values = Values.map();
            for (Object initial : args.positional()) {
                if (initial instanceof Map<?, ?> map) {
                    map.forEach((key, value) -> values.put(Values.str(key), value));
                }
            }
            values.putAll(args.named());
            return new Namespace(values);
        });
        for (String name : List.of("cycler", "joiner", "lipsum")) {
            globals.set(name, (Callable) args -> {
                throw new TemplateException("the function '" + name + "' is not supported");
            });
        }
        globals.set("raise_exception", (Callable) args -> {
            throw new TemplateException(Values.str(args.get(0, "message", "")), Kind.RAISED);
        });
        globals.set("strftime_now", (Callable)
                args -> Strftime.format(LocalDateTime.now(clock), Values.str(args.get(0, "format", ""))));
        Scope context = new Scope(globals);
        variables.forEach((name, value) -> context.set(name, Values.plain(value)));
        StringBuilder out = new StringBuilder();
        body.render(context, out);
        return out.toString();
    }

    private static List<@Nullable Object> range(List<@Nullable Object> args) {
        long start = args.size() > 1 ? Values.integer(args.get(0)) : 0;
        long stop = Values.integer(args.get(args.size() > 1 ? 1 : 0));
        long step = args.size() > 2 ? Values.integer(args.get(2)) : 1;
        if (step == 0) {
            throw new TemplateException("a range's step cannot be 0");
        }
        List<@Nullable Object> numbers = new ArrayList<>();
        long i = start;
        while (step > 0 ? i < stop : i > stop) {
            if (numbers.size() == MOST_IN_RANGE) {
                throw Budget.over("a range has more numbers", MOST_IN_RANGE);
            }
            numbers.add(i);
            if (step > 0 ? i > Long.MAX_VALUE - step : i < Long.MIN_VALUE - step) {
                break;
            }
            i += step;
        }
        return numbers;
    }
}
