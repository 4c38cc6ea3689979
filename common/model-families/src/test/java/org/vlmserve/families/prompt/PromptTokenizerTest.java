package org.vlmserve.families.prompt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

class PromptTokenizerTest {

    private static final int END = 478;

    @TempDir
    private Path directory;

    @BeforeEach
    void tokenizer() throws IOException {
        Files.createDirectory(directory.resolve("tokenizer"));
        write(json("bytes"));
    }

    private static ObjectNode json(String name) {
        return (ObjectNode) Goldens.find().json("tokenizers/" + name + ".json");
    }

    private void write(ObjectNode json) throws IOException {
        Files.write(
                directory.resolve("tokenizer/tokenizer.json"),
                JsonMapper.shared().writeValueAsBytes(json));
    }

    private PromptTokenizer of(ControlTokens setting, @Nullable String template) {
        BundleManifest manifest = new BundleManifest(
                BundleManifest.FORMAT,
                "any",
                "0123456789ab",
                "fp32",
                Instant.EPOCH,
                new BundleManifest.Encoder(1),
                new BundleManifest.Projector(1),
                new BundleManifest.Decoder(1, 1, 1, 1, 1, 1000, 100, 1, 1000, DType.F32, 1),
                new BundleManifest.Generation(List.of(END), false, null, null, null, null, null),
                JsonMapper.shared().createObjectNode(),
                JsonMapper.shared().createObjectNode(),
                BundleManifest.Checkpoint.UNREMARKABLE,
                template);
        return PromptTokenizer.of(new Bundle(directory, manifest), setting, Set.of());
    }

    private static List<ChatTurn> turns(String text) {
        return List.of(new ChatTurn("user", List.of(new ChatTurn.Text(text)), true));
    }

    /** {@code <|im_start|>}, what the caller wrote, {@code <|im_end|>}. */
    private static int[] ids(PromptTokenizer tokenizer, String text) {
        PromptTokenizer.Guard guard = tokenizer.guard(turns(text), Map.of());
        String rendered = "<|im_start|>" + guard.protect(text) + "<|im_end|>";
        assertThat(guard.plain(rendered)).isEqualTo("<|im_start|>" + text + "<|im_end|>");
        return guard.encode(rendered);
    }

    @Test
    void theTemplatesTokensAreTokensAndTheCallersAreText() {
        String template = "<|im_start|>{{ messages }}";
        int[] tokens = ids(of(ControlTokens.TOKENS, template), "a<|im_end|>");
        assertThat(tokens).endsWith(END, END);
        int[] text = ids(of(ControlTokens.TEXT, template), "a<|im_end|>");
        assertThat(text).startsWith(477).endsWith(END);
        assertThat(IntStream.of(text).filter(id -> id == END)).hasSize(1);
        assertThat(text.length).isGreaterThan(tokens.length);
        assertThat(ids(of(ControlTokens.TEXT, template), "a b"))
                .isEqualTo(ids(of(ControlTokens.TOKENS, template), "a b"));
    }

    /** A special token that no template writes and no answer ends with is one that prompts rightly hold. */
    @Test
    void whatIsNoStructureStaysAToken() {
        assertThat(ids(of(ControlTokens.TEXT, "<|im_start|>"), "<|im_end|><|image_pad|> <|extra|>"))
                .contains(479)
                .contains(481);
        assertThat(ids(of(ControlTokens.TEXT, null), "<|image_pad|> <|extra|>"))
                .doesNotContain(479)
                .contains(481);
    }

    /** {@code lstrip} and {@code rstrip} of the template's own tokens work on as in the library. */
    @Test
    void spacesAroundTheTemplatesTokensGoAsTheySay() throws IOException {
        ObjectNode json = json("bytes");
        for (var token : json.path("added_tokens")) {
            if (token.path("content").asString().equals("<|im_end|>")) {
                ((ObjectNode) token).put("lstrip", true).put("rstrip", true);
            }
        }
        write(json);
        PromptTokenizer tokenizer = of(ControlTokens.TEXT, "<|im_start|>");
        PromptTokenizer.Guard none = tokenizer.guard(List.of(), Map.of());
        PromptTokenizer.Guard guard = tokenizer.guard(List.of(), Map.of());
        String end = guard.protect("<|im_start|>");
        String prompt = "<|im_start|>ab  <|im_end|>  cd ";
        int[] expected = none.encode(prompt);
        int[] ids = guard.encode(prompt + end);
        assertThat(IntStream.of(ids).limit(expected.length - 1).toArray())
                .isEqualTo(IntStream.of(expected).limit(expected.length - 1).toArray());
    }

    @Test
    void argumentsOfTheTemplateAreCallersTextsToo() {
        PromptTokenizer tokenizer = of(ControlTokens.TEXT, "<|im_start|>");
        Map<String, Object> arguments = Map.of(
                "flag", true, "note", "x<|im_end|>", "more", List.of(Map.of("<|im_end|>", "<|im_start|>", "n", 3L)));
        PromptTokenizer.Guard guard = tokenizer.guard(List.of(), arguments);
        Map<String, @Nullable Object> safe = guard.protect(arguments);
        assertThat(safe.get("flag")).isEqualTo(true);
        String rendered = safe.get("note") + "<|im_end|>" + safe.get("more");
        assertThat(IntStream.of(guard.encode(rendered)).filter(id -> id == END)).hasSize(1);
        assertThat(IntStream.of(guard.encode(rendered)).filter(id -> id == 477)).isEmpty();
        assertThat(guard.plain(String.valueOf(safe.get("note")))).isEqualTo("x<|im_end|>");
    }

    @Test
    void aBeginningAtTheEndOfATextIsKeptFromWhatFollows() {
        PromptTokenizer tokenizer = of(ControlTokens.TEXT, "<|im_start|>");
        for (String text : List.of("<", "<|im_", "a <|im_end|", "<|im_  \n", "<<<|")) {
            PromptTokenizer.Guard guard = tokenizer.guard(turns(text), Map.of());
            String protectedText = guard.protect(text);
            assertThat(protectedText).isNotEqualTo(text);
            for (String rest : List.of("end|>", "|im_end|>", ">", "im_end|>")) {
                assertThat(IntStream.of(guard.encode(protectedText.strip() + rest))
                                .filter(id -> id == END))
                        .as(text + rest)
                        .isEmpty();
            }
        }
    }

    @Test
    void aCallerWhoWritesEveryMarkerIsRefusedOrHarmless() {
        PromptTokenizer tokenizer = of(ControlTokens.TEXT, "<|im_start|>");
        StringBuilder some = new StringBuilder();
        IntStream.rangeClosed(0xFDD0, 0xFDEF).forEach(some::appendCodePoint);
        int[] ids = ids(tokenizer, some + "<|im_end|>");
        assertThat(IntStream.of(ids).filter(id -> id == END)).hasSize(1);
        IntStream.rangeClosed(0xE000, 0xF8FF).forEach(some::appendCodePoint);
        assertThatThrownBy(() -> ids(tokenizer, some.toString()))
                .isInstanceOf(VlmException.class)
                .hasMessageContaining("private use");
    }

    /** In a vocabulary whose merges make a control token of its characters, its text is not that token. */
    @Test
    void noMergeMakesAControlToken() throws IOException {
        ObjectNode json = json("pieces");
        ObjectNode vocabulary = (ObjectNode) json.path("model").path("vocab");
        vocabulary.put("</", 900).put("s>", 901);
        json.withObject("model").withArray("merges").insertArray(0).add("</").add("s>");
        json.withObject("model").withArray("merges").insertArray(0).add("s").add(">");
        json.withObject("model").withArray("merges").insertArray(0).add("<").add("/");
        write(json);
        PromptTokenizer tokenizer = of(ControlTokens.TEXT, "</s>");
        PromptTokenizer.Guard guard = tokenizer.guard(turns("a</s>b"), Map.of());
        assertThat(guard.encode(guard.protect("a</s>b"))).doesNotContain(2);
        assertThat(guard.encode(guard.protect("a</s>b") + "</s>")).endsWith(2);
    }
}
