package org.vlmserve.families.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.jinja.Lexer.Kind;
import org.vlmserve.families.jinja.Lexer.Token;
import org.vlmserve.families.jinja.Values.Callable;
import org.vlmserve.families.jinja.Values.Namespace;
import org.vlmserve.families.jinja.Values.Tuple;
import org.vlmserve.families.jinja.Values.Undefined;

/** Turns tokens into closures, by jinja2's grammar and precedence ({@code jinja2/parser.py} of 3.1). */
final class Parser {

    /** Implementations compute; whoever wants the value evaluates, which is charged for. */
    interface Expression {
        @Nullable
        Object compute(Scope scope);

        default @Nullable Object evaluate(Scope scope) {
            Budget.enter();
            Object value = compute(scope);
            Budget.leave();
            return value;
        }
    }

    /** Implementations execute; whoever wants the text renders, which is charged for. */
    interface Statement {
        Flow execute(Scope scope, StringBuilder out);

        default Flow render(Scope scope, StringBuilder out) {
            Budget.enter();
            Flow flow = execute(scope, out);
            Budget.leave();
            return flow;
        }
    }

    /** How a statement ended. */
    enum Flow {
        NEXT,
        BREAK,
        CONTINUE
    }

    /** Where a value goes: to names, or to a namespace's attribute. */
    private interface Target {
        void assign(Scope scope, @Nullable Object value);
    }

    private record ArgumentList(List<Argument> items) {}

    /** @param stars 0 for a plain argument, 1 for {@code *args}, 2 for {@code **kwargs} */
    private record Argument(@Nullable String name, Expression value, int stars) {}

    private record Parameter(String name, @Nullable Expression absent) {}

    private static final Set<String> RESERVED_AFTER_TEST = Set.of("else", "or", "and", "is", "if", "in", "not");

    private final List<Token> tokens;
    private final int mostNested;
    private int at;
    private int nested;

    /** @param mostNested {@link TemplateLimits#nesting} */
    Parser(List<Token> tokens, int mostNested) {
        this.tokens = tokens;
        this.mostNested = mostNested;
    }

    /** Begins what may hold itself; an exception ends the whole. */
    private void enter() {
        if (++nested > mostNested) {
            throw Budget.over("blocks and brackets go more levels deep", mostNested)
                    .inLine(peek().line());
        }
    }

    private void leave() {
        nested--;
    }

    Statement template() {
        Statement body = statements(Set.of());
        if (peek().kind() != Kind.END) {
            throw error("unexpected end of a block");
        }
        return body;
    }

    // ---- Statements ----

    /** Statements up to a block whose name is one of {@code ends}; that name is left as the next token. */
    private Statement statements(Set<String> ends) {
        enter();
        Statement body = statementsTo(ends);
        leave();
        return body;
    }

    private Statement statementsTo(Set<String> ends) {
        List<Statement> body = new ArrayList<>();
        while (peek().kind() != Kind.END) {
            Token token = next();
            switch (token.kind()) {
                case TEXT ->
                    body.add((scope, out) -> {
                        Budget.append(out, token.value());
                        return Flow.NEXT;
                    });
                case VARIABLE_BEGIN -> {
                    Expression value = tuple();
                    expect(Kind.VARIABLE_END);
                    body.add(located(token, (scope, out) -> {
                        Budget.append(out, Values.str(value.evaluate(scope)));
                        return Flow.NEXT;
                    }));
                }
                case BLOCK_BEGIN -> {
                    if (peek().kind() == Kind.NAME && ends.contains(peek().value())) {
                        return sequence(body);
                    }
                    body.add(located(token, statement()));
                }
                default -> throw error("unexpected " + token.kind());
            }
        }
        if (!ends.isEmpty()) {
            throw error("the template ends where " + ends + " is missing");
        }
        return sequence(body);
    }

    private static Statement sequence(List<Statement> body) {
        Statement[] parts = body.toArray(Statement[]::new);
        return (scope, out) -> {
            for (Statement part : parts) {
                Flow flow = part.render(scope, out);
                if (flow != Flow.NEXT) {
                    return flow;
                }
            }
            return Flow.NEXT;
        };
    }

    /** Says in which line an error came up; the innermost line wins. */
    private static Statement located(Token token, Statement statement) {
        return (scope, out) -> {
            try {
                return statement.render(scope, out);
            } catch (TemplateException e) {
                throw e.inLine(token.line());
            } catch (ArithmeticException e) {
                throw new TemplateException("line " + token.line() + ": a whole number with more than 64 bits");
            }
        };
    }

    private Statement statement() {
        String tag = name();
        return switch (tag) {
            case "if" -> ifStatement();
            case "for" -> forStatement();
            case "set" -> set();
            case "macro" -> macro();
            case "call" -> call();
            case "filter" -> filterBlock();
            case "with" -> with();
            case "generation" -> {
                end();
                Statement body = block("endgeneration");
                yield (scope, out) -> body.render(new Scope(scope), out);
            }
            case "break", "continue" -> {
                end();
                Flow flow = tag.equals("break") ? Flow.BREAK : Flow.CONTINUE;
                yield (scope, out) -> flow;
            }
            default -> throw error("the tag '" + tag + "' is not supported");
        };
    }

    /** A body and its closing tag. */
    private Statement block(String endTag) {
        Statement body = statements(Set.of(endTag));
        next();
        end();
        return body;
    }

    private Statement ifStatement() {
        List<Expression> conditions = new ArrayList<>();
        List<Statement> bodies = new ArrayList<>();
        Statement otherwise = (scope, out) -> Flow.NEXT;
        conditions.add(condition());
        end();
        while (true) {
            bodies.add(statements(Set.of("elif", "else", "endif")));
            String tag = name();
            if (tag.equals("elif")) {
                conditions.add(condition());
                end();
                continue;
            }
            end();
            if (tag.equals("else")) {
                otherwise = block("endif");
            }
            break;
        }
        Statement last = otherwise;
        return (scope, out) -> {
            for (int i = 0; i < conditions.size(); i++) {
                if (Values.truth(conditions.get(i).evaluate(scope))) {
                    return bodies.get(i).render(scope, out);
                }
            }
            return last.render(scope, out);
        };
    }

    private Expression condition() {
        return tuple();
    }

    private Statement forStatement() {
        Target target = targets(false);
        expectName("in");
        Expression items = tupleOf(false, "recursive");
        Expression filter = skipName("if") ? expression() : null;
        boolean recursive = skipName("recursive");
        end();
        Statement body = statements(Set.of("endfor", "else"));
        Statement otherwise = null;
        if (name().equals("else")) {
            end();
            otherwise = block("endfor");
        } else {
            end();
        }
        return new Loop(target, items, filter, recursive, body, otherwise);
    }

    private record Loop(
            Target target,
            Expression items,
            @Nullable Expression filter,
            boolean recursive,
            Statement body,
            @Nullable Statement otherwise)
            implements Statement {

        @Override
        public Flow execute(Scope scope, StringBuilder out) {
            return run(scope, out, items.evaluate(scope), 0);
        }

        private Flow run(Scope scope, StringBuilder out, @Nullable Object values, long depth) {
            List<@Nullable Object> chosen = Values.iterate(values);
            if (filter != null) {
                List<@Nullable Object> passed = new ArrayList<>();
                for (Object item : chosen) {
                    Budget.make(1);
                    Scope inner = new Scope(scope);
                    target.assign(inner, item);
                    if (Values.truth(filter.evaluate(inner))) {
                        passed.add(item);
                    }
                }
                chosen = passed;
            }
            if (chosen.isEmpty()) {
                return otherwise == null ? Flow.NEXT : otherwise.render(new Scope(scope), out);
            }
            LoopState state = new LoopState(this, scope, chosen, depth);
            for (state.index = 0; state.index < chosen.size(); state.index++) {
                Budget.touch(1);
                Scope inner = new Scope(scope);
                inner.set("loop", state);
                target.assign(inner, chosen.get(state.index));
                if (body.render(inner, out) == Flow.BREAK) {
                    break;
                }
            }
            return Flow.NEXT;
        }
    }

    /** The name {@code loop} in a loop's body; callable in a recursive loop. */
    static final class LoopState implements Callable {

        private final Loop loop;
        private final Scope scope;
        private final List<@Nullable Object> items;
        private final long depth;
        private @Nullable List<@Nullable Object> changed;
        private int index;

        private LoopState(Loop loop, Scope scope, List<@Nullable Object> items, long depth) {
            this.loop = loop;
            this.scope = scope;
            this.items = items;
            this.depth = depth;
        }

        @Override
        public @Nullable Object call(Arguments args) {
            if (!loop.recursive()) {
                throw new TemplateException("the loop is not marked as recursive");
            }
            StringBuilder out = new StringBuilder();
            loop.run(scope, out, args.get(0), depth + 1);
            return out.toString();
        }

        @Nullable
        Object attribute(String name) {
            return switch (name) {
                case "index" -> index + 1L;
                case "index0" -> (long) index;
                case "revindex" -> (long) items.size() - index;
                case "revindex0" -> items.size() - index - 1L;
                case "first" -> index == 0;
                case "last" -> index == items.size() - 1;
                case "length" -> (long) items.size();
                case "depth" -> depth + 1;
                case "depth0" -> depth;
                case "previtem" -> index > 0 ? items.get(index - 1) : new Undefined("there is no previous item: it");
                case "nextitem" ->
                    index + 1 < items.size() ? items.get(index + 1) : new Undefined("there is no next item: it");
                case "cycle" -> (Callable) args -> args.get(index % Math.max(1, args.size()));
                case "changed" ->
                    (Callable) args -> {
                        boolean differs = changed == null || !Values.equal(changed, args.positional());
                        changed = args.positional();
                        return differs;
                    };
                default -> new Undefined("'" + name + "' of loop");
            };
        }
    }

    private Statement set() {
        Target target = targets(true);
        if (skip("=")) {
            Expression value = tuple();
            end();
            return (scope, out) -> {
                target.assign(scope, value.evaluate(scope));
                return Flow.NEXT;
            };
        }
        List<FilterCall> filters = filters();
        end();
        Statement body = block("endset");
        return (scope, out) -> {
            Object value = captured(body, scope);
            for (FilterCall filter : filters) {
                value = filter.apply(scope, value);
            }
            target.assign(scope, value);
            return Flow.NEXT;
        };
    }

    private static String captured(Statement body, Scope scope) {
        StringBuilder text = new StringBuilder();
        body.render(new Scope(scope), text);
        return text.toString();
    }

    private Statement filterBlock() {
        List<FilterCall> filters = new ArrayList<>();
        filters.add(filterCall());
        filters.addAll(filters());
        end();
        Statement body = block("endfilter");
        return (scope, out) -> {
            Object value = captured(body, scope);
            for (FilterCall filter : filters) {
                value = filter.apply(scope, value);
            }
            Budget.append(out, Values.str(value));
            return Flow.NEXT;
        };
    }

    private Statement with() {
        List<Target> targets = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (peek().kind() != Kind.BLOCK_END) {
            if (!targets.isEmpty()) {
                expect(",");
            }
            targets.add(targets(false));
            expect("=");
            values.add(expression());
        }
        end();
        Statement body = block("endwith");
        return (scope, out) -> {
            Scope inner = new Scope(scope);
            for (int i = 0; i < targets.size(); i++) {
                targets.get(i).assign(inner, values.get(i).evaluate(scope));
            }
            return body.render(inner, out);
        };
    }

    private Statement macro() {
        String name = name();
        List<Parameter> parameters = parameters();
        end();
        Statement body = block("endmacro");
        return (scope, out) -> {
            scope.set(name, callable(name, parameters, body, scope));
            return Flow.NEXT;
        };
    }

    private Statement call() {
        List<Parameter> parameters = peek().is(Kind.OPERATOR, "(") ? parameters() : List.of();
        int start = at;
        Expression callee = unary();
        CallExpression called = lastCall;
        if (called == null || at == start || called != callee) {
            throw error("'call' needs a call");
        }
        end();
        Statement body = block("endcall");
        return (scope, out) -> {
            Map<String, @Nullable Object> extra = Values.map();
            extra.put("caller", callable("caller", parameters, body, scope));
            Budget.append(out, Values.str(called.call(scope, extra)));
            return Flow.NEXT;
        };
    }

    private List<Parameter> parameters() {
        expect("(");
        List<Parameter> parameters = new ArrayList<>();
        while (!skip(")")) {
            if (!parameters.isEmpty()) {
                expect(",");
            }
            String name = name();
            parameters.add(new Parameter(name, skip("=") ? expression() : null));
        }
        return parameters;
    }

    private static Callable callable(String name, List<Parameter> parameters, Statement body, Scope definition) {
        return args -> {
            Scope scope = new Scope(definition);
            Map<String, @Nullable Object> rest = Values.map();
            rest.putAll(args.named());
            for (int i = 0; i < parameters.size(); i++) {
                Parameter parameter = parameters.get(i);
                if (i < args.size()) {
                    scope.set(parameter.name(), args.get(i));
                } else if (rest.containsKey(parameter.name())) {
                    scope.set(parameter.name(), rest.remove(parameter.name()));
                } else if (parameter.absent() != null) {
                    scope.set(parameter.name(), parameter.absent().evaluate(scope));
                } else {
                    scope.set(parameter.name(), new Undefined("parameter '" + parameter.name() + "' of " + name));
                }
            }
            if (rest.containsKey("caller")) {
                scope.set("caller", rest.remove("caller"));
            }
            scope.set("kwargs", rest);
            int positional = Math.min(parameters.size(), args.size());
            scope.set("varargs", new Tuple(args.from(positional).positional()));
            StringBuilder out = new StringBuilder();
            body.render(scope, out);
            return out.toString();
        };
    }

    private Target targets(boolean attributes) {
        List<Target> targets = new ArrayList<>();
        boolean several = false;
        do {
            if (!targets.isEmpty() && peek().kind() != Kind.NAME && !peek().is(Kind.OPERATOR, "(")) {
                break;
            }
            targets.add(target(attributes));
            if (!skip(",")) {
                break;
            }
            several = true;
        } while (true);
        return several ? unpack(targets) : targets.getFirst();
    }

    private Target target(boolean attributes) {
        if (skip("(")) {
            enter();
            Target inner = targets(false);
            leave();
            expect(")");
            return inner;
        }
        String name = name();
        if (attributes && skip(".")) {
            String attribute = name();
            return (scope, value) -> {
                if (!(scope.get(name) instanceof Namespace namespace)) {
                    throw new TemplateException("cannot set an attribute of '" + name + "': it is no namespace");
                }
                namespace.values().put(attribute, value);
            };
        }
        return (scope, value) -> scope.set(name, value);
    }

    private static Target unpack(List<Target> targets) {
        return (scope, value) -> {
            List<@Nullable Object> items = Values.iterate(value);
            if (items.size() != targets.size()) {
                throw new TemplateException(items.size() + " values for " + targets.size() + " names");
            }
            for (int i = 0; i < items.size(); i++) {
                targets.get(i).assign(scope, items.get(i));
            }
        };
    }

    // ---- Expressions, lowest precedence first ----

    private Expression tuple() {
        return tupleOf(true, null);
    }

    private Expression tupleOf(boolean conditional, @Nullable String endName) {
        List<Expression> items = new ArrayList<>();
        boolean several = false;
        do {
            if (several && tupleEnds(endName)) {
                break;
            }
            items.add(conditional ? expression() : or());
            if (!skip(",")) {
                break;
            }
            several = true;
        } while (true);
        return several ? scope -> new Tuple(evaluateAll(items, scope)) : items.getFirst();
    }

    private boolean tupleEnds(@Nullable String endName) {
        Token token = peek();
        return token.kind() == Kind.BLOCK_END
                || token.kind() == Kind.VARIABLE_END
                || token.is(Kind.OPERATOR, ")")
                || endName != null && token.is(Kind.NAME, endName);
    }

    private Expression expression() {
        enter();
        Expression value = conditional();
        leave();
        return value;
    }

    private Expression conditional() {
        Expression value = or();
        while (skipName("if")) {
            Expression then = value;
            Expression condition = or();
            Expression otherwise = skipName("else")
                    ? expression()
                    : scope -> new Undefined("the value of an if-expression without else");
            value = scope -> Values.truth(condition.evaluate(scope)) ? then.evaluate(scope) : otherwise.evaluate(scope);
        }
        return value;
    }

    private Expression or() {
        Expression left = and();
        while (skipName("or")) {
            Expression a = left;
            Expression b = and();
            left = scope -> {
                Object value = a.evaluate(scope);
                return Values.truth(value) ? value : b.evaluate(scope);
            };
        }
        return left;
    }

    private Expression and() {
        Expression left = not();
        while (skipName("and")) {
            Expression a = left;
            Expression b = not();
            left = scope -> {
                Object value = a.evaluate(scope);
                return Values.truth(value) ? b.evaluate(scope) : value;
            };
        }
        return left;
    }

    private Expression not() {
        if (skipName("not")) {
            enter();
            Expression value = not();
            leave();
            return scope -> !Values.truth(value.evaluate(scope));
        }
        return comparison();
    }

    private record Comparison(String operator, Expression right) {}

    private Expression comparison() {
        Expression left = sum();
        List<Comparison> chain = new ArrayList<>();
        while (true) {
            Token token = peek();
            if (token.kind() == Kind.OPERATOR
                    && Set.of("==", "!=", "<", "<=", ">", ">=").contains(token.value())) {
                next();
                chain.add(new Comparison(token.value(), sum()));
            } else if (token.is(Kind.NAME, "in")) {
                next();
                chain.add(new Comparison("in", sum()));
            } else if (token.is(Kind.NAME, "not") && tokens.get(at + 1).is(Kind.NAME, "in")) {
                at += 2;
                chain.add(new Comparison("not in", sum()));
            } else {
                break;
            }
        }
        if (chain.isEmpty()) {
            return left;
        }
        return scope -> {
            Object a = left.evaluate(scope);
            for (Comparison step : chain) {
                Object b = step.right().evaluate(scope);
                if (!compares(step.operator(), a, b)) {
                    return false;
                }
                a = b;
            }
            return true;
        };
    }

    private static boolean compares(String operator, @Nullable Object a, @Nullable Object b) {
        return switch (operator) {
            case "==" -> Values.equal(a, b);
            case "!=" -> !Values.equal(a, b);
            case "in" -> Values.contains(b, a);
            case "not in" -> !Values.contains(b, a);
            case "<" -> Values.compare(a, b) < 0;
            case "<=" -> Values.compare(a, b) <= 0;
            case ">" -> Values.compare(a, b) > 0;
            default -> Values.compare(a, b) >= 0;
        };
    }

    private Expression sum() {
        Expression left = concatenation();
        while (peek().is(Kind.OPERATOR, "+") || peek().is(Kind.OPERATOR, "-")) {
            left = arithmetic(next().value(), left, concatenation());
        }
        return left;
    }

    private Expression concatenation() {
        List<Expression> parts = new ArrayList<>();
        parts.add(product());
        while (skip("~")) {
            parts.add(product());
        }
        if (parts.size() == 1) {
            return parts.getFirst();
        }
        return scope -> {
            StringBuilder text = new StringBuilder();
            for (Expression part : parts) {
                Budget.append(text, Values.str(part.evaluate(scope)));
            }
            return text.toString();
        };
    }

    private Expression product() {
        Expression left = power();
        while (peek().kind() == Kind.OPERATOR && Set.of("*", "/", "//", "%").contains(peek().value())) {
            left = arithmetic(next().value(), left, power());
        }
        return left;
    }

    private Expression power() {
        Expression left = unary();
        while (skip("**")) {
            left = arithmetic("**", left, unary());
        }
        return left;
    }

    private static Expression arithmetic(String operator, Expression a, Expression b) {
        return scope -> Values.arithmetic(operator, a.evaluate(scope), b.evaluate(scope));
    }

    private Expression unary() {
        return unary(true);
    }

    private Expression unary(boolean withFilters) {
        Expression value;
        if (skip("-")) {
            Expression operand = operand();
            value = scope -> Values.arithmetic("-", 0L, operand.evaluate(scope));
        } else if (skip("+")) {
            Expression operand = operand();
            value = scope -> Values.arithmetic("+", 0L, operand.evaluate(scope));
        } else {
            value = primary();
        }
        value = postfix(value);
        return withFilters ? filtersAndTests(value) : value;
    }

    private Expression operand() {
        enter();
        Expression operand = unary(false);
        leave();
        return operand;
    }

    private Expression primary() {
        Token token = next();
        switch (token.kind()) {
            case NAME -> {
                return switch (token.value()) {
                    case "true", "True" -> scope -> true;
                    case "false", "False" -> scope -> false;
                    case "none", "None" -> scope -> null;
                    default -> scope -> scope.get(token.value());
                };
            }
            case STRING -> {
                StringBuilder text = new StringBuilder(token.value());
                while (peek().kind() == Kind.STRING) {
                    text.append(next().value());
                }
                String value = text.toString();
                return scope -> value;
            }
            case INTEGER -> {
                Long value = integer(token.value());
                return scope -> value;
            }
            case FLOAT -> {
                Double value = Double.valueOf(token.value());
                return scope -> value;
            }
            case OPERATOR -> {
                switch (token.value()) {
                    case "(" -> {
                        if (skip(")")) {
                            return scope -> new Tuple(List.of());
                        }
                        Expression value = tuple();
                        expect(")");
                        return value;
                    }
                    case "[" -> {
                        return list();
                    }
                    case "{" -> {
                        return dict();
                    }
                    default -> {}
                }
            }
            default -> {}
        }
        throw new TemplateException("line " + token.line() + ": unexpected '" + token.value() + "'");
    }

    private Long integer(String digits) {
        String lower = digits.toLowerCase(java.util.Locale.ROOT);
        int radix = lower.startsWith("0x") ? 16 : lower.startsWith("0o") ? 8 : lower.startsWith("0b") ? 2 : 10;
        try {
            return Long.valueOf(radix == 10 ? lower : lower.substring(2), radix);
        } catch (NumberFormatException e) {
            throw error("the number " + digits + " is not supported: it has more than 64 bits");
        }
    }

    private Expression list() {
        List<Expression> items = new ArrayList<>();
        while (!skip("]")) {
            if (!items.isEmpty()) {
                expect(",");
                if (skip("]")) {
                    break;
                }
            }
            items.add(expression());
        }
        return scope -> evaluateAll(items, scope);
    }

    private Expression dict() {
        List<Expression> keys = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (!skip("}")) {
            if (!keys.isEmpty()) {
                expect(",");
                if (skip("}")) {
                    break;
                }
            }
            keys.add(expression());
            expect(":");
            values.add(expression());
        }
        return scope -> {
            Budget.make(keys.size());
            java.util.LinkedHashMap<@Nullable Object, @Nullable Object> map = new java.util.LinkedHashMap<>();
            for (int i = 0; i < keys.size(); i++) {
                map.put(Values.key(keys.get(i).evaluate(scope)), values.get(i).evaluate(scope));
            }
            return map;
        };
    }

    private static List<@Nullable Object> evaluateAll(List<Expression> items, Scope scope) {
        Budget.make(items.size());
        List<@Nullable Object> values = new ArrayList<>(items.size());
        for (Expression item : items) {
            values.add(item.evaluate(scope));
        }
        return values;
    }

    private Expression postfix(Expression start) {
        Expression value = start;
        while (true) {
            Expression owner = value;
            if (skip(".")) {
                Token part = next();
                if (part.kind() == Kind.NAME) {
                    value = scope -> attribute(owner.evaluate(scope), part.value());
                } else if (part.kind() == Kind.INTEGER) {
                    Long index = integer(part.value());
                    value = scope -> Values.item(owner.evaluate(scope), index);
                } else {
                    throw error("expected a name after '.'");
                }
            } else if (skip("[")) {
                value = subscript(owner);
            } else if (peek().is(Kind.OPERATOR, "(")) {
                value = callOf(owner);
            } else {
                return value;
            }
        }
    }

    private static @Nullable Object attribute(@Nullable Object owner, String name) {
        return owner instanceof LoopState loop ? loop.attribute(name) : Values.attribute(owner, name);
    }

    private Expression subscript(Expression owner) {
        Expression start = null;
        if (!peek().is(Kind.OPERATOR, ":")) {
            Expression index = expression();
            if (skip("]")) {
                return scope -> {
                    Object value = owner.evaluate(scope);
                    Object key = index.evaluate(scope);
                    return value instanceof LoopState loop && key instanceof String name
                            ? loop.attribute(name)
                            : Values.item(value, key);
                };
            }
            start = index;
        }
        expect(":");
        Expression stop = null;
        Expression step = null;
        if (!peek().is(Kind.OPERATOR, ":") && !peek().is(Kind.OPERATOR, "]")) {
            stop = expression();
        }
        if (skip(":") && !peek().is(Kind.OPERATOR, "]")) {
            step = expression();
        }
        expect("]");
        Expression from = start;
        Expression to = stop;
        Expression by = step;
        return scope -> Values.slice(
                owner.evaluate(scope),
                from == null ? null : from.evaluate(scope),
                to == null ? null : to.evaluate(scope),
                by == null ? null : by.evaluate(scope));
    }

    private @Nullable CallExpression lastCall;

    private record CallExpression(Expression callee, ArgumentList arguments) implements Expression {

        @Override
        public @Nullable Object compute(Scope scope) {
            return call(scope, Map.of());
        }

        @Nullable
        Object call(Scope scope, Map<String, @Nullable Object> extra) {
            Object function = callee.evaluate(scope);
            if (function instanceof Undefined u) {
                throw u.error();
            }
            if (!(function instanceof Callable callable)) {
                throw new TemplateException("a " + Values.type(function) + " cannot be called");
            }
            Arguments given = collect(arguments, scope);
            given.named().putAll(extra);
            return Budget.made(callable.call(given));
        }
    }

    private CallExpression callOf(Expression callee) {
        CallExpression call = new CallExpression(callee, arguments());
        lastCall = call;
        return call;
    }

    private ArgumentList arguments() {
        expect("(");
        List<Argument> items = new ArrayList<>();
        while (!skip(")")) {
            if (!items.isEmpty()) {
                expect(",");
                if (skip(")")) {
                    break;
                }
            }
            if (skip("**")) {
                items.add(new Argument(null, expression(), 2));
            } else if (skip("*")) {
                items.add(new Argument(null, expression(), 1));
            } else if (peek().kind() == Kind.NAME && tokens.get(at + 1).is(Kind.OPERATOR, "=")) {
                String name = name();
                next();
                items.add(new Argument(name, expression(), 0));
            } else {
                items.add(new Argument(null, expression(), 0));
            }
        }
        return new ArgumentList(items);
    }

    private static Arguments collect(ArgumentList arguments, Scope scope) {
        Map<String, @Nullable Object> named = Values.map();
        List<@Nullable Object> positional = new ArrayList<>();
        for (Argument argument : arguments.items()) {
            Object value = argument.value().evaluate(scope);
            if (argument.stars() == 1) {
                positional.addAll(Budget.made(Values.iterate(value)));
            } else if (argument.stars() == 2) {
                if (!(value instanceof Map<?, ?> map)) {
                    throw new TemplateException("'**' needs a dict, got a " + Values.type(value));
                }
                Budget.make(map.size());
                map.forEach((key, item) -> named.put(Values.str(key), item));
            } else if (argument.name() != null) {
                named.put(argument.name(), value);
            } else {
                positional.add(value);
            }
        }
        return new Arguments(positional, named);
    }

    private Expression filtersAndTests(Expression start) {
        Expression value = start;
        while (true) {
            Expression subject = value;
            if (skip("|")) {
                FilterCall filter = filterCall();
                value = scope -> filter.apply(scope, subject.evaluate(scope));
            } else if (skipName("is")) {
                value = test(subject);
            } else if (peek().is(Kind.OPERATOR, "(")) {
                value = callOf(subject);
            } else {
                return value;
            }
        }
    }

    private record FilterCall(Filters.Filter filter, ArgumentList arguments) {
        @Nullable
        Object apply(Scope scope, @Nullable Object value) {
            return Filters.applied(filter, value, collect(arguments, scope));
        }
    }

    private List<FilterCall> filters() {
        List<FilterCall> filters = new ArrayList<>();
        while (skip("|")) {
            filters.add(filterCall());
        }
        return filters;
    }

    private FilterCall filterCall() {
        String name = name();
        Filters.Filter filter = Filters.find(name);
        if (filter == null) {
            throw error("the filter '" + name + "' is not supported");
        }
        return new FilterCall(filter, peek().is(Kind.OPERATOR, "(") ? arguments() : new ArgumentList(List.of()));
    }

    private Expression test(Expression subject) {
        boolean negated = skipName("not");
        String name = name();
        Tests.Test test = Tests.find(name);
        if (test == null) {
            throw error("the test '" + name + "' is not supported");
        }
        Token token = peek();
        ArgumentList arguments = new ArgumentList(List.of());
        if (token.is(Kind.OPERATOR, "(")) {
            arguments = arguments();
        } else if (token.kind() == Kind.STRING
                || token.kind() == Kind.INTEGER
                || token.kind() == Kind.FLOAT
                || token.is(Kind.OPERATOR, "[")
                || token.is(Kind.OPERATOR, "{")
                || token.kind() == Kind.NAME && !RESERVED_AFTER_TEST.contains(token.value())) {
            arguments = new ArgumentList(List.of(new Argument(null, postfix(primary()), 0)));
        }
        ArgumentList given = arguments;
        return scope -> test.holds(subject.evaluate(scope), collect(given, scope)) != negated;
    }

    // ---- Tokens ----

    private Token peek() {
        return tokens.get(at);
    }

    private Token next() {
        Token token = tokens.get(at);
        if (token.kind() != Kind.END) {
            at++;
        }
        return token;
    }

    private boolean skip(String operator) {
        if (peek().is(Kind.OPERATOR, operator)) {
            at++;
            return true;
        }
        return false;
    }

    private boolean skipName(String name) {
        if (peek().is(Kind.NAME, name)) {
            at++;
            return true;
        }
        return false;
    }

    private String name() {
        if (peek().kind() != Kind.NAME) {
            throw error("expected a name, found '" + peek().value() + "'");
        }
        return next().value();
    }

    private void expectName(String name) {
        if (!skipName(name)) {
            throw error("expected '" + name + "', found '" + peek().value() + "'");
        }
    }

    private void expect(String operator) {
        if (!skip(operator)) {
            throw error("expected '" + operator + "', found '" + peek().value() + "'");
        }
    }

    private void expect(Kind kind) {
        if (peek().kind() != kind) {
            throw error("expected " + kind + ", found '" + peek().value() + "'");
        }
        next();
    }

    private void end() {
        expect(Kind.BLOCK_END);
    }

    private TemplateException error(String problem) {
        return new TemplateException("line " + peek().line() + ": " + problem);
    }
}
