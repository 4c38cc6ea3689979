package org.vlmserve.families.prompt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** What would make the tokenizers library end the process is refused before it gets there: each of these did. */
class HuggingFaceTokenizerFileTest {

    private static final Path FILE = Path.of("tokenizer.json");

    private static HuggingFaceTokenizerFile tokenizer(String key, String value) {
        ObjectNode json = (ObjectNode) JsonMapper.shared()
                .readTree("{\"version\": \"1.0\", \"added_tokens\": [], \"normalizer\": null, \"pre_tokenizer\": null,"
                        + "\"post_processor\": null, \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true,"
                        + "\"trim_offsets\": true, \"use_regex\": true}, \"model\": {\"type\": \"BPE\", \"dropout\": null,"
                        + "\"unk_token\": null, \"continuing_subword_prefix\": null, \"end_of_word_suffix\": null,"
                        + "\"fuse_unk\": false, \"byte_fallback\": false, \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2},"
                        + "\"merges\": [[\"a\", \"b\"]]}}");
        String[] steps = key.split("/", -1);
        ObjectNode parent = steps.length == 1 ? json : (ObjectNode) json.path(steps[0]);
        parent.set(steps[steps.length - 1], JsonMapper.shared().readTree(value));
        return new HuggingFaceTokenizerFile(FILE, json);
    }

    @Test
    void aSoundFileIsTaken() {
        assertThat(tokenizer("normalizer", "null").encode("abba")).containsExactly(2, 1, 0);
        assertThat(tokenizer("post_processor", "{\"type\": \"NoSuch\"}").encode("ab"))
                .containsExactly(2);
    }

    /** The longest token has two bytes. */
    @Test
    void aTextTakesAtLeastItsLengthInLongestTokens() {
        String text = "abba".repeat(250);
        assertThat(tokenizer("normalizer", "null").leastTokens(text)).isEqualTo(500);
        assertThat(tokenizer("normalizer", "{\"type\": \"NFC\"}").leastTokens(text))
                .isEqualTo(166);
        assertThat(tokenizer("normalizer", "null").encode(text)).hasSizeGreaterThanOrEqualTo(500);
        assertThat(tokenizer("normalizer", "{\"type\": \"Lowercase\"}").leastTokens(text))
                .isZero();
        String dropping =
                "{\"type\": \"Split\", \"pattern\": {\"String\": \"a\"}, \"behavior\": \"Removed\", \"invert\": false}";
        assertThat(tokenizer("pre_tokenizer", dropping).leastTokens(text)).isZero();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "model/continuing_subword_prefix|\"long\"|model.continuing_subword_prefix is \"long\"; supported: none",
                "model/continuing_subword_prefix|7|model.continuing_subword_prefix is 7; supported: none",
                "model/type|\"Unigram\"|model.type is 'Unigram'; supported: BPE",
                "model/vocab|{\"a\": 1048576}|has the id 1048576; expected a number up to 1048575",
                "model/vocab|{\"a\": -1}|has the id -1; expected a number up to 1048575",
                "model/vocab|{\"a\": 9999999999}|has the id 9999999999; expected a number up to 1048575",
                "normalizer|{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAA\"}|of the type 'Precompiled'",
                "normalizer|{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Precompiled\"}]}|of the type 'Precompiled'",
                "normalizer|{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"(a*)*b\"}, \"content\": \"\"}|'(a*)*b', in which",
                "pre_tokenizer|{\"type\": \"Split\", \"pattern\": {\"Regex\": \"(a+)+b\"}, \"behavior\": \"Isolated\","
                        + " \"invert\": false}|'(a+)+b', in which a repeated group holds a repetition",
                "pre_tokenizer|{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[\"}, \"behavior\": \"Isolated\","
                        + " \"invert\": false}|cannot be loaded"
            })
    void whatTheLibraryWouldDieOfIsRefused(String keyValueWords) {
        String[] parts = keyValueWords.split("\\|", -1);
        assertThatThrownBy(() -> tokenizer(parts[0], parts[1]))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.BUNDLE_CORRUPT))
                .hasMessageContaining(parts[2]);
    }

    /** The library took more than 20 s of processor time for one of 32,000. */
    @Test
    void anAddedTokenHasALongestLength() {
        String token = "{\"id\": 3, \"content\": \"%s\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false,"
                + " \"normalized\": false, \"special\": true}";
        assertThat(tokenizer("added_tokens", "[" + token.formatted("x".repeat(256)) + "]")
                        .encode("a" + "x".repeat(256)))
                .containsExactly(0, 3);
        assertThatThrownBy(() -> tokenizer("added_tokens", "[" + token.formatted("x".repeat(257)) + "]"))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.BUNDLE_CORRUPT))
                .hasMessageContaining("an added token has 257 characters, expected at most 256");
    }

    /** Twelve million spaces end the process under Qwen2's expression. */
    @Test
    void aTextHasALongestLength() {
        HuggingFaceTokenizerFile tokenizer = tokenizer("normalizer", "null");
        assertThatThrownBy(() -> tokenizer.encode(" ".repeat(12_000_000)))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.PROMPT_TOO_LONG))
                .hasMessage("a text has 12000000 characters, expected at most 2097152; send less of it");
    }

    @Test
    void expressionsThatRepeatRepetitionsAreFound() {
        for (String exponential : List.of(
                "(a+)+",
                "(a*)*b",
                "(?:x|y+)*",
                "((a+)b)*",
                "(a+|b){2,}",
                "(\\s+){1000}",
                "x(?:[^)]+)+",
                "((ab)*)+",
                "(a{2,})*")) {
            assertThat(TokenizerCheck.repeatsRepetitions(exponential))
                    .as(exponential)
                    .isTrue();
        }
        for (String published : List.of(
                "",
                "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}]*[\\p{Ll}\\p{M}]+(?i:'s|'t)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*",
                "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+",
                "(?:ab)+",
                "(a+)?",
                "(a+){1,3}",
                "[(a+)+]",
                "\\(a+\\)+",
                "[]a+)]+")) {
            assertThat(TokenizerCheck.repeatsRepetitions(published))
                    .as(published)
                    .isFalse();
        }
    }
}
