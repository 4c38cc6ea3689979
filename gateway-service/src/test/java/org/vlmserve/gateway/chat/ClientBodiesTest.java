package org.vlmserve.gateway.chat;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.springframework.util.unit.DataSize;
import org.vlmserve.gateway.Pictures;
import org.vlmserve.gateway.config.ApiConfig;
import org.vlmserve.gateway.config.ApiConfig.UnknownFields;
import org.vlmserve.gateway.config.DetailConfig;
import org.vlmserve.gateway.config.RequestConfig;
import org.vlmserve.gateway.http.MemoryBudget;
import org.vlmserve.gateway.picture.PictureUrl;
import org.vlmserve.protocol.ChatTurn;

/** Whole bodies in the shapes in which common clients send a question about a picture. */
class ClientBodiesTest {

    private static final byte[] PNG = Pictures.png(30, 20);
    private static final String BASE64 = Base64.getEncoder().encodeToString(PNG);

    private final ChatRequestParser parser = new ChatRequestParser(
            new RequestConfig(
                    Duration.ofMinutes(5),
                    DataSize.ofMegabytes(28),
                    DataSize.ofMegabytes(24),
                    4,
                    DataSize.ofKilobytes(64)),
            new DetailConfig(200_704, null, null),
            new ApiConfig(UnknownFields.IGNORE));

    /** @param ignored the paths that its sender is told */
    private record Sent(String by, String body, List<String> ignored) {

        @Override
        public String toString() {
            return by;
        }
    }

    private static Sent sent(String by, String body, String... ignored) {
        return new Sent(by, body.replace("BASE64", BASE64), List.of(ignored));
    }

    private static List<Sent> bodies() {
        return List.of(
                sent(
                        "the OpenAI SDKs, with their newer names",
                        """
                        {"messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": [
                          {"type": "text", "text": "What is this?"},
                          {"type": "image_url", "image_url": {"url": "data:image/png;base64,BASE64", "detail": "auto"}}]}],
                         "model": "m", "max_completion_tokens": 300, "store": false, "reasoning_effort": "none",
                         "stream": true, "stream_options": {"include_usage": true, "include_obfuscation": false}}""",
                        "stream_options.include_obfuscation",
                        "store",
                        "reasoning_effort"),
                sent(
                        "LangChain, with its own content blocks",
                        """
                        {"messages": [{"role": "system", "content": ""}, {"role": "user", "content": [
                          {"type": "text", "text": "What is this?"},
                          {"type": "image", "source_type": "base64", "mime_type": "image/png", "data": "BASE64"}]}],
                         "model": "m", "n": 1, "temperature": 0.7, "stream": false, "stop": null, "logprobs": null}""",
                        "messages[1].content[1].source_type",
                        "messages[1].content[1].mime_type"),
                sent(
                        "LiteLLM",
                        """
                        {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "What is this?",
                          "cache_control": {"type": "ephemeral"}},
                          {"type": "image_url", "image_url": {"url": "data:image/png;base64,BASE64", "format": "image/png"}}]}],
                         "extra_headers": {}, "drop_params": true, "metadata": {"trace": 7, "cached": false}}""",
                        "messages[0].content[0].cache_control",
                        "messages[0].content[1].image_url.format",
                        "extra_headers",
                        "drop_params",
                        "metadata"),
                sent(
                        "a chat front end that keeps labels in its history",
                        """
                        {"stream": true, "model": "m", "messages": [
                          {"id": "a1", "timestamp": 1760000000, "role": "user", "content": "Hello", "name": "Bob"},
                          {"id": "a2", "role": "assistant", "content": "Hi!", "reasoning_content": "They greet.",
                           "refusal": null, "tool_calls": [], "function_call": null, "annotations": []},
                          {"id": "a3", "role": "user", "content": [{"type": "text", "text": "And this?"},
                            {"type": "image_url", "image_url": {"url": "data:image/jpg;base64, BASE64"}}]}],
                         "keep_alive": "5m", "chat_id": "c", "session_id": "s", "tools": [], "tool_choice": "auto",
                         "parallel_tool_calls": true, "user": {"id": 7}, "max_tokens": 24.0, "stop": ""}""",
                        "messages[0].id",
                        "messages[0].timestamp",
                        "messages[0].name",
                        "messages[1].id",
                        "messages[1].reasoning_content",
                        "messages[1].annotations",
                        "messages[2].id",
                        "keep_alive",
                        "chat_id",
                        "session_id",
                        "parallel_tool_calls",
                        "user"),
                sent("transformers' chat messages", """
                        {"model": "m", "messages": [{"role": "user", "content": [{"type": "image", "image": "data:image;base64,BASE64",
                          "min_pixels": 784, "max_pixels": 100000}, {"type": "text", "text": "What is this?"}]}]}"""),
                sent("Anthropic's messages", """
                        {"model": "m", "max_tokens": 1024, "messages": [{"role": "user", "content": [{"type": "image",
                          "source": {"type": "base64", "media_type": "image/png", "data": "BASE64"}},
                          {"type": "text", "text": "What is this?"}]}]}""", "messages[0].content[0].source.media_type"),
                sent("OpenAI's Responses, carried over", """
                        {"model": "m", "messages": [{"type": "message", "role": "user", "content": [
                          {"type": "input_text", "text": "What is this?"},
                          {"type": "input_image", "image_url": "data:image/png;base64,BASE64", "detail": "high"}]}]}""", "messages[0].type"),
                sent("a script with base64 alone, broken into lines", """
                        {"model": "m", "messages": [{"role": "user", "content": ["What is this?",
                          {"type": "image_url", "image_url": "BASE64\\n"}]}]}"""),
                sent(
                        "a client of llama.cpp and Ollama",
                        """
                        {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "What is this?"},
                          {"type": "image_url", "image_url": {"url": "data:image/png;base64,BASE64"}}]}],
                         "cache_prompt": true, "mirostat": 0, "repeat_penalty": 1.1, "n_predict": -1, "options": {"num_ctx": 4096},
                         "grammar": "", "format": "", "dry_multiplier": 0.0}""",
                        "cache_prompt",
                        "mirostat",
                        "repeat_penalty",
                        "options",
                        "dry_multiplier"));
    }

    @ParameterizedTest
    @MethodSource("bodies")
    void isTakenAndItsSenderIsToldWhatHadNoEffect(Sent sent) {
        ChatRequest request = parser.parse(sent.body().getBytes(StandardCharsets.UTF_8), MemoryBudget.UNBOUNDED);

        assertThat(request.pictures()).hasSize(1);
        assertThat(((PictureUrl.Inline) request.pictures().getFirst().sources().getFirst()).decode(10_000, size -> {}))
                .isEqualTo(PNG);
        assertThat(request.turns().getLast().parts())
                .hasSize(2)
                .hasAtLeastOneElementOfType(ChatTurn.Picture.class)
                .hasAtLeastOneElementOfType(ChatTurn.Text.class);
        assertThat(request.ignored().paths()).containsExactlyInAnyOrderElementsOf(sent.ignored());
    }
}
