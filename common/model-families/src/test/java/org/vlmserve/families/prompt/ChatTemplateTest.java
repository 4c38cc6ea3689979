package org.vlmserve.families.prompt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

class ChatTemplateTest {

    private static String render(String template, Map<String, ?> arguments) {
        return new ChatTemplate(template, Map.of("eos_token", "</s>")).render(List.of(), arguments);
    }

    @Test
    void theTemplateSeesSpecialTokensAndArguments() {
        assertThat(render("{{ eos_token }}{{ n + 1 }}{{ tools is none }}{{ add_generation_prompt }}", Map.of("n", 1)))
                .isEqualTo("</s>2TrueTrue");
        assertThat(render("{{ eos_token }}", Map.of("eos_token", "!"))).isEqualTo("!");
    }

    @Test
    void aRefusalComesInTheTemplatesWords() {
        assertThatThrownBy(() -> render("{{ raise_exception('No system role') }}", Map.of()))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.PROMPT_UNSUPPORTED))
                .hasMessageContaining("No system role");
    }

    @Test
    void whatCannotBeRenderedSaysWhere() {
        assertThatThrownBy(() -> render("a\n{{ nothing.here }}", Map.of()))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.PROMPT_UNSUPPORTED))
                .hasMessageContaining("line 2")
                .hasMessageContaining("'nothing' is undefined");
    }

    /** A template that takes too much for anything is the bundle's fault; one that takes too much for this is the conversation's. */
    @Test
    void whoIsToBlameForTakingTooMuch() {
        for (String template : List.of(
                "{{ 'a' * 1000000000 }}",
                "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
                "{% for m in messages %}{% if m.content is string %}{{ 'a' * 1000000000 }}{% endif %}{% endfor %}",
                "{{ " + "(".repeat(1000) + "1" + ")".repeat(1000) + " }}",
                "a".repeat(1_000_000))) {
            assertThatThrownBy(() -> new ChatTemplate(template, Map.of()))
                    .isInstanceOfSatisfying(
                            VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.BUNDLE_CORRUPT))
                    .hasMessageContaining("that it may");
        }
        ChatTemplate cubic = new ChatTemplate(
                "{% for a in messages %}{% for b in messages %}{% for c in messages %}{% endfor %}{% endfor %}{% endfor %}",
                Map.of());
        assertThat(cubic.render(Collections.nCopies(10, "Hi"), Map.of())).isEmpty();
        assertThatThrownBy(() -> cubic.render(Collections.nCopies(1000, "Hi"), Map.of()))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.PROMPT_UNSUPPORTED))
                .hasMessage("the model's chat template cannot render this conversation: line 1: the template takes more"
                        + " steps than the 10000000 that it may; send a shorter one");
    }

    @Test
    void aTemplateThatCannotBeReadIsTheBundlesFault() {
        assertThatThrownBy(() -> new ChatTemplate("{% for %}", Map.of()))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.BUNDLE_CORRUPT));
    }
}
