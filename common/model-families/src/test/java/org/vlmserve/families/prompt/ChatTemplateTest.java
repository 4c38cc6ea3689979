package org.vlmserve.families.prompt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

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

    @Test
    void aTemplateThatCannotBeReadIsTheBundlesFault() {
        assertThatThrownBy(() -> new ChatTemplate("{% for %}", Map.of()))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.BUNDLE_CORRUPT));
    }
}
