package org.vlmserve.families.prompt;

import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.jinja.Template;
import org.vlmserve.families.jinja.TemplateException;
import org.vlmserve.families.jinja.TemplateLimits;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * A checkpoint's chat template, rendered as {@code apply_chat_template} does. What callers wrote is data: markup in it stays
 * as it is. Thread-safe.
 */
public final class ChatTemplate {

    private final Template template;
    private final Map<String, String> specialTokens;

    /**
     * @param specialTokens names that the template sees beside the conversation, such as {@code eos_token}
     * @throws VlmException {@code BUNDLE_CORRUPT} for a template that cannot be read, or that takes more than
     *     {@link TemplateLimits} for a single short turn
     */
    public ChatTemplate(String source, Map<String, String> specialTokens) {
        this(source, specialTokens, Clock.systemDefaultZone());
    }

    /** @param clock what {@code strftime_now} reads */
    public ChatTemplate(String source, Map<String, String> specialTokens, Clock clock) {
        try {
            this.template = new Template(source, clock);
        } catch (TemplateException e) {
            throw new VlmException(
                    ErrorCode.BUNDLE_CORRUPT, "the bundle's chat template cannot be read: " + e.getMessage(), e);
        }
        this.specialTokens = Map.copyOf(specialTokens);
        List<@Nullable Object> parts = List.of(Map.of("type", "text", "text", "Hi"));
        for (Object content : List.of("Hi", parts)) {
            requireModest(List.of(Map.of("role", "user", "content", content)));
        }
    }

    /** What takes too much for one short turn is the template's fault; from here on, it is the conversation's. */
    private void requireModest(List<@Nullable Object> conversation) {
        try {
            template.render(variables(conversation, Map.of()));
        } catch (TemplateException e) {
            if (e.overLimit()) {
                throw new VlmException(
                        ErrorCode.BUNDLE_CORRUPT,
                        "the bundle's chat template cannot render a single short turn: " + e.getMessage(),
                        e);
            }
        }
    }

    /**
     * The prompt up to where the model's answer begins.
     *
     * @param messages maps with {@code role} and {@code content}
     * @param arguments further names, plain JSON values; they win over special tokens
     * @throws VlmException {@code PROMPT_UNSUPPORTED} with the template's own words where it refuses, or with what it could
     *     not do
     */
    public String render(List<@Nullable Object> messages, Map<String, ?> arguments) {
        try {
            return template.render(variables(messages, arguments));
        } catch (TemplateException e) {
            String problem = e.raised()
                    ? "the model's chat template refuses this conversation: "
                    : "the model's chat template cannot render this conversation: ";
            throw new VlmException(
                    ErrorCode.PROMPT_UNSUPPORTED,
                    problem + e.getMessage() + (e.overLimit() ? "; send a shorter one" : ""),
                    e);
        }
    }

    private Map<String, @Nullable Object> variables(List<@Nullable Object> messages, Map<String, ?> arguments) {
        Map<String, @Nullable Object> variables = new TreeMap<>(specialTokens);
        variables.putAll(arguments);
        variables.put("messages", messages);
        variables.putIfAbsent("add_generation_prompt", true);
        variables.putIfAbsent("tools", null);
        variables.putIfAbsent("documents", null);
        return variables;
    }
}
