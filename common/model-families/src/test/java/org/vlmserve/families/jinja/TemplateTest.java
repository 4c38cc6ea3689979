package org.vlmserve.families.jinja;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vlmserve.testing.Goldens;

class TemplateTest {

    private static final Clock CLOCK = Clock.fixed(Instant.parse("2024-02-03T04:05:06Z"), ZoneOffset.UTC);

    /** What no chat template is known to use: it has to be refused, never rendered as something else. */
    private static final List<String> NOT_BUILT = List.of(
            "100000000000000000000 }}",
            "groupby(",
            "batch(",
            "striptags",
            "truncate(",
            "filesizeformat",
            "pprint",
            "swapcase()",
            ".center(",
            ".format(",
            ".encode(",
            "cycler(",
            "{{ ''.__class__ }}");

    static List<Goldens.Rendering> chats() {
        return Goldens.find().chatRenderings();
    }

    static List<Goldens.Rendering> pieces() {
        return Goldens.find().pieceRenderings();
    }

    @ParameterizedTest
    @MethodSource({"chats", "pieces"})
    void rendersAsTheReference(Goldens.Rendering golden) {
        Map<String, @Nullable Object> variables = new TreeMap<>();
        variables.put("tools", null);
        variables.put("documents", null);
        variables.putAll(Goldens.plainMap(golden.arguments()));
        variables.put("messages", Goldens.plainList(golden.messages()));
        if (NOT_BUILT.stream().anyMatch(golden.template()::contains)) {
            assertThatThrownBy(() -> new Template(golden.template(), CLOCK).render(variables))
                    .isInstanceOf(TemplateException.class)
                    .hasMessageMatching(
                            "line \\d+: .*(not supported|not allowed|'is_integer' of a float|'bit_length').*");
        } else if (golden.error() == null) {
            assertThat(new Template(golden.template(), CLOCK).render(variables)).isEqualTo(golden.expected());
        } else {
            assertThatThrownBy(() -> new Template(golden.template(), CLOCK).render(variables))
                    .isInstanceOf(TemplateException.class);
        }
    }

    @Test
    void aTemplateRefusesInItsOwnWords() {
        assertThatThrownBy(() ->
                        new Template("{{ raise_exception('roles ' ~ 'must alternate') }}", CLOCK).render(Map.of()))
                .isInstanceOfSatisfying(
                        TemplateException.class, e -> assertThat(e.raised()).isTrue())
                .hasMessage("roles must alternate");
    }

    @Test
    void theDateIsTheClocks() {
        assertThat(new Template("{{ strftime_now('%d %B %Y, %-d %b, %H:%M:%S %p %A %j %%') }}", CLOCK).render(Map.of()))
                .isEqualTo("03 February 2024, 3 Feb, 04:05:06 AM Saturday 034 %");
    }

    @Test
    void whatUsersWroteIsNeverRead() {
        assertThat(new Template("{{ text }}", CLOCK).render(Map.of("text", "{{ 7*7 }}{% if %}{# #}")))
                .isEqualTo("{{ 7*7 }}{% if %}{# #}");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% include 'x' %}",
                "{{ 'x' | nosuchfilter }}",
                "{% if x is nosuchtest %}{% endif %}",
                "{{ 'x'.translate({}) }}",
                "{% for x in y %}",
                "{{ 1 + }}",
                "{{ '",
                "{% if true %}{% endfor %}"
            })
    void whatIsNotSupportedIsRefused(String template) {
        assertThatThrownBy(() -> new Template(template, CLOCK).render(Map.of())).isInstanceOf(TemplateException.class);
    }
}
