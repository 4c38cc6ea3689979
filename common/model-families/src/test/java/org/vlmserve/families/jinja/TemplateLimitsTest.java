package org.vlmserve.families.jinja;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Clock;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vlmserve.testing.Goldens;

class TemplateLimitsTest {

    private static final Clock CLOCK = Clock.systemUTC();
    private static final TemplateLimits LIMITS = TemplateLimits.DEFAULT;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
                "{% for i in range(100000) %}{% for j in range(100000) %}{% set x = i + j %}{% endfor %}{% endfor %}",
                "{% set t = 'a' * 10000000 %}{% for i in range(100000) %}{{ 'b' in t }}{% endfor %}",
                "{% set t = 'a' * 10000000 %}{% set u = 'a' * 1000000 ~ 'b' %}{{ t.find(u) }}",
                "{% set t = 'a' * 10000000 %}{% set u = 'a' * 1000000 ~ 'b' %}{{ t | replace(u, 'c') }}",
                "{% set t = 'a' * 10000000 %}{{ t.strip('b' * 10000000 ~ 'a') }}",
                "{% set t = 'a' * 10000000 %}{% set u = t[1:] ~ 'a' %}{% for i in range(100000) %}{{ t == u }}{% endfor %}",
                "{% set ns = namespace(x=[1]) %}{% for i in range(64) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}",
                "{% set l = range(100000) | list %}{% for i in l %}{{ -1 in l }}{% endfor %}",
                "{% set l = range(100000) | list %}{{ l | unique | list }}",
                "{% set l = range(100000) | list %}{% for i in l %}{{ l | sort(reverse=true) | first }}{% endfor %}",
                "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(30) }}",
                "{% for a in [1, 1] recursive %}{% if loop.depth < 30 %}{{ loop([1, 1]) }}{% endif %}{% endfor %}",
                "{{ strftime_now('%Y' * 1000000) }}"
            })
    void aRenderingHasABudgetOfSteps(String template) {
        assertOver(template, "takes more steps than the 10000000 that it may");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{{ 'a' * 1000000000 }}",
                "{{ 1000000000 * 'a' }}",
                "{{ 'ab' * 9223372036854775807 }}",
                "{{ [1] * 1000000000 }}",
                "{{ [1, 2] * 9223372036854775807 }}",
                "{% set ns = namespace(x='ab') %}{% for i in range(64) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
                "{% set ns = namespace(x='ab') %}{% for i in range(64) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
                "{% set ns = namespace(x=[1]) %}{% for i in range(64) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
                "{% set ns = namespace(x='a') %}{% for i in range(64) %}{% set ns.x = ns.x | replace('a', 'aa') %}{% endfor %}",
                "{% set ns = namespace(x='a') %}{% for i in range(64) %}{% set ns.x = ns.x.replace('', ns.x) %}{% endfor %}",
                "{% set ns = namespace(x='a') %}{% for i in range(64) %}{% set ns.x = [ns.x, ns.x] | join(ns.x) %}{% endfor %}",
                "{% set ns = namespace(x='a') %}{% for i in range(64) %}{% set ns.x = ns.x.join([ns.x, ns.x]) %}{% endfor %}",
                "{% set ns = namespace(x=[1]) %}{% for i in range(64) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
                "{% set ns = namespace(x='\"') %}{% for i in range(64) %}{% set ns.x = ns.x | tojson %}{% endfor %}",
                "{% set x = '&' * 10000000 %}{{ x | e }}{{ x | e }}",
                "{% set x = 'a' * 100000 %}{% for i in range(100000) %}{{ x }}{% endfor %}",
                "{% set x = 'a' * 100000 %}{% for i in range(100000) %}{% set y = x | upper %}{% endfor %}",
                "{% set x = 'a' * 100000 %}{% for i in range(100000) %}{% set y %}{{ x }}{% endset %}{% endfor %}",
                "{{ 'a' | indent(1000000000, first=true) }}",
                "{{ 'a'.ljust(1000000000) }}",
                "{{ 'a'.rjust(1000000000) }}",
                "{{ '1'.zfill(1000000000) }}",
                "{{ '1'.zfill(9223372036854775807) }}",
                "{{ [1] | tojson(indent=1000000000) }}",
                "{{ [[1], [2]] | tojson(separators=['a' * 30000000, 'b']) }}",
                "{{ range(100000) | join('a' * 10000) }}",
                "{{ ('a ' * 10000000).split() | length }}{{ ('a ' * 10000000).split(' ') | list | length }}"
            })
    void aRenderingHasABudgetOfWhatItMakes(String template) {
        assertOver(template, "makes more characters or items than the 67108864 that it may");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
                "{% macro m(f) %}{{ f(f) }}{% endmacro %}{{ m(m) }}",
                "{% macro m() %}{% call m() %}{% endcall %}{% endmacro %}{{ m() }}",
                "{% macro m(a=m()) %}{% endmacro %}{{ m() }}",
                "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
                "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
                "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | tojson }}",
                "{% set ns = namespace(x={}) %}{% for i in range(100000) %}{% set ns.x = {'a': ns.x} %}{% endfor %}{{ ns.x }}",
                "{% set ns = namespace(x=[], y=[]) %}{% for i in range(50000) %}{% set ns.x = [ns.x] %}"
                        + "{% set ns.y = [ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
                "{% set ns = namespace(x=[0], y=[1]) %}{% for i in range(50000) %}{% set ns.x = [ns.x] %}"
                        + "{% set ns.y = [ns.y] %}{% endfor %}{{ ns.x < ns.y }}",
                "{% set ns = namespace(x=(1, 2)) %}{% for i in range(50000) %}{% set ns.x = (ns.x, 1) %}{% endfor %}"
                        + "{{ {ns.x: 1} }}"
            })
    void aRenderingHasABudgetOfDepth(String template) {
        assertOver(template, "goes more levels deep than the 500 that it may");
    }

    /** Operators of one precedence nest without brackets. */
    @Test
    void longChainsCountAsDepth() {
        assertThat(render("{{ 1" + " + 1".repeat(400) + " }}")).isEqualTo("401");
        for (String link : List.of(" + 1", " | int", " or 0", ".a", "(1)", " ** 1", " * 1")) {
            assertOver("{{ 0" + link.repeat(20_000) + " }}", "than the 500 that it may");
        }
    }

    @Test
    void aTemplateHasABudgetOfNesting() {
        for (String[] bracket : new String[][] {
            {"{{ " + "(".repeat(60_000), ")".repeat(60_000) + " }}"},
            {"{{ " + "[".repeat(60_000), "]".repeat(60_000) + " }}"},
            {"{{ " + "{1:".repeat(40_000), "}".repeat(40_000) + " }}"},
            {"{{ " + "x[".repeat(60_000), "]".repeat(60_000) + " }}"},
            {"{{ " + "f(".repeat(60_000), ")".repeat(60_000) + " }}"},
            {"{{ " + "- ".repeat(60_000), "1 }}"},
            {"{{ " + "not ".repeat(60_000), "1 }}"},
            {"{{ " + "1 if 1 else ".repeat(20_000), "1 }}"},
            {"{{ " + "1 | d(".repeat(20_000), ")".repeat(20_000) + " }}"},
            {"{% for " + "(".repeat(60_000) + "a", ")".repeat(60_000) + " in [] %}{% endfor %}"},
            {"{% if 1 %}".repeat(10_000), "{% endif %}".repeat(10_000)},
            {"{% if 1 %}{% else %}".repeat(8_000), "{% endif %}".repeat(8_000)},
            {"{% for a in b %}".repeat(8_000), "{% endfor %}".repeat(8_000)},
            {"{% macro m() %}".repeat(8_000), "{% endmacro %}".repeat(8_000)},
            {"{% set x %}".repeat(8_000), "{% endset %}".repeat(8_000)},
            {"{% with %}".repeat(8_000), "{% endwith %}".repeat(8_000)}
        }) {
            assertThatThrownBy(() -> new Template(bracket[0] + bracket[1], CLOCK))
                    .as(bracket[0].substring(0, 20))
                    .isInstanceOfSatisfying(
                            TemplateException.class,
                            e -> assertThat(e.overLimit()).isTrue())
                    .hasMessage("line 1: blocks and brackets go more levels deep than the 100 that it may");
        }
        assertThat(render("{{ " + "(".repeat(90) + "1" + ")".repeat(90) + " }}"))
                .isEqualTo("1");
        assertThat(render("{% if 1 %}".repeat(90) + "1" + "{% endif %}".repeat(90)))
                .isEqualTo("1");
    }

    @Test
    void aTemplateHasALongestSource() {
        assertThat(render("a".repeat(LIMITS.source()))).hasSize(LIMITS.source());
        assertThatThrownBy(() -> new Template("a".repeat(LIMITS.source() + 1), CLOCK))
                .isInstanceOf(TemplateException.class)
                .hasMessage("the template has 262145 characters, more than the 262144 that it may");
    }

    /** Java's matcher recurses where a group repeats that is not possessive. */
    @Test
    void longTokensAreRead() {
        int many = 100_000;
        assertThat(render("{{ '" + "\\n".repeat(many) + "' | length }}")).isEqualTo("100000");
        assertThat(render("{{ \"" + "\\\"".repeat(many) + "\" | length }}")).isEqualTo("100000");
        assertThat(render("{{ 1" + "_0".repeat(many) + ".5 > 0 }}")).isEqualTo("True");
        assertThatThrownBy(() -> render("{{ 1" + "_0".repeat(many) + " }}")).hasMessageContaining("64 bits");
        assertThat(render("{% raw %}x{% endraw %}".repeat(10_000))).hasSize(10_000);
    }

    @Test
    void numbersHave64Bits() {
        assertThat(
                        render(
                                "{{ 2 ** 62 }} {{ (-2) ** 63 }} {{ (-1) ** 10000000001 }} {{ 1 ** 9223372036854775807 }} {{ 0 ** 0 }}"))
                .isEqualTo("4611686018427387904 -9223372036854775808 -1 1 1");
        for (String number : List.of(
                "2 ** 10000000",
                "2 ** 4294967296",
                "10 ** 19",
                "9223372036854775807 + 1",
                "(-9223372036854775807 - 1) // -1",
                "-(-9223372036854775807 - 1)",
                "(-9223372036854775807 - 1) | abs",
                "9223372036854775807 * 2")) {
            assertThatThrownBy(() -> render("{{ " + number + " }}"))
                    .as(number)
                    .isInstanceOf(TemplateException.class)
                    .hasMessage("line 1: a whole number with more than 64 bits");
        }
    }

    /** Against Python 3.11 and jinja2 3.1. */
    @Test
    void extremeArgumentsAreCounted() {
        assertThat(
                        render(
                                "{{ 'abc'[::9223372036854775807] }} {{ 'abc'[::-9223372036854775807] }} {{ 'abc'[-9223372036854775807:] }}"))
                .isEqualTo("a c abc");
        assertThat(render("{{ range(9223372036854775806, 9223372036854775807, 5) | list }}"))
                .isEqualTo("[9223372036854775806]");
        assertThat(render(
                        "{{ 1.25 | round(1000000000) }} {{ 1.25 | round(-1000000000) }} {{ (1e308 * 10) | round(2) }}"))
                .isEqualTo("1.25 0.0 inf");
        assertThat(render(
                        "{{ 'abc'.replace('', '-') }} {{ 'abc'.replace('', '-', 2) }} {{ 'abc'.replace('b', '', 0) }}"))
                .isEqualTo("-a-b-c- -a-bc abc");
        assertThat(render("{{ 'a'.ljust(-5) }}{{ 'a'.zfill(-5) }}{{ 'b' | indent(-5) }}{{ 'x' * -5 }}"))
                .isEqualTo("aab");
        assertThat(render("{% set ns = namespace() %}{% set ns.x = ns %}{{ ns == ns }} {{ ns == namespace() }}"))
                .isEqualTo("True False");
        assertThatThrownBy(() -> render("{{ {[1]: 2} }}")).hasMessageContaining("a list cannot be a key of a dict");
    }

    /** Deep, and on a thread with half of the stack that threads have. */
    @Test
    void whatTheLimitsAllowFitsTheStack() throws InterruptedException {
        List<String> deep = new ArrayList<>();
        deep.add("{% macro m(n) %}{% if n %}{{ (m(n - 1) | upper) ~ 'a' }}{% endif %}{% endmacro %}{{ m(1000) }}");
        deep.add(
                "{% macro m(n) %}{% filter upper %}{% set x %}{{ m(n - 1) }}{% endset %}{% endfilter %}{% endmacro %}{{ m(1) }}");
        deep.add("{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}");
        deep.add("{% for a in [1] recursive %}{{ loop([1]) | trim }}{% endfor %}");
        deep.add(
                "{% set ns = namespace(x=[]) %}{% for i in range(2000) %}{% set ns.x = {'a': [ns.x]} %}{% endfor %}{{ ns.x }}");
        deep.add(
                "{% set ns = namespace(x=[]) %}{% for i in range(2000) %}{% set ns.x = {'a': [ns.x]} %}{% endfor %}{{ ns.x | tojson }}");
        deep.add("{{ 0" + " | default(1, true) | int or 0".repeat(5000) + " }}");
        deep.add("{{ " + "(".repeat(99) + "1" + ")".repeat(99) + " }}");
        deep.add("{% if 1 %}".repeat(98) + "{{ " + "x[".repeat(1) + "1" + "]".repeat(1) + " }}"
                + "{% endif %}".repeat(98));
        AtomicReference<@Nullable Throwable> failed = new AtomicReference<>();
        Thread small = new Thread(
                null,
                () -> {
                    for (String template : deep) {
                        try {
                            render(template);
                        } catch (TemplateException e) {
                            // that is what the limits are for
                        } catch (Throwable e) {
                            failed.set(new AssertionError(template.substring(0, 40), e));
                        }
                    }
                },
                "small-stack",
                512 << 10);
        small.start();
        small.join();
        assertThat(failed.get()).isNull();
    }

    /** At most 1,644 steps, 2,300 characters, 21 levels and 1,582 characters of source. */
    @Test
    void publishedTemplatesStayFarBelow() {
        long steps = 0;
        long made = 0;
        int deepest = 0;
        int longest = 0;
        for (Goldens.Rendering golden : Goldens.find().chatRenderings()) {
            if (golden.error() != null) {
                continue;
            }
            Map<String, @Nullable Object> variables = new HashMap<>(Goldens.plainMap(golden.arguments()));
            variables.putIfAbsent("tools", null);
            variables.putIfAbsent("documents", null);
            variables.put("messages", Goldens.plainList(golden.messages()));
            Budget budget = new Budget(LIMITS);
            new Template(golden.template(), CLOCK).render(variables, budget);
            steps = Math.max(steps, budget.steps());
            made = Math.max(made, budget.made());
            deepest = Math.max(deepest, budget.deepest());
            longest = Math.max(longest, golden.template().length());
        }
        assertThat(steps).isPositive().isLessThan(LIMITS.steps() / 1000);
        assertThat(made).isPositive().isLessThan(LIMITS.made() / 1000);
        assertThat(deepest).isPositive().isLessThan(LIMITS.depth() / 10);
        assertThat(longest).isPositive().isLessThan(LIMITS.source() / 10);
    }

    private static String render(String template) {
        return new Template(template, CLOCK).render(Map.of("x", Map.of()));
    }

    private static void assertOver(String template, String words) {
        assertThatThrownBy(() -> render(template))
                .as(template.substring(0, Math.min(60, template.length())))
                .isInstanceOfSatisfying(
                        TemplateException.class, e -> assertThat(e.overLimit()).isTrue())
                .hasMessageStartingWith("line 1: ")
                .hasMessageContaining(words);
    }
}
