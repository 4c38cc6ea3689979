package org.vlmserve.families.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class SentencePieceConverterTest {

    private static final List<String> CHECKPOINTS =
            List.of("alone", "legacy", "no-prefix", "added-tokens", "decoder", "symbols", "extra");

    static {
        System.setProperty("ai.djl.offline", "true");
    }

    private final Goldens goldens = Goldens.find();

    @TempDir
    private Path directory;

    @TestFactory
    List<DynamicTest> makesTheReferencesTokenizer() {
        List<DynamicTest> tests = new ArrayList<>();
        for (String name : CHECKPOINTS) {
            JsonNode golden = goldens.json("sentencepiece/" + name + ".json");
            tests.add(DynamicTest.dynamicTest(name, () -> {
                JsonNode made = converted(name);
                JsonNode expected = golden.path("tokenizer");
                assertThat(made.path("added_tokens")).isEqualTo(expected.path("added_tokens"));
                assertThat(made.path("model").path("merges"))
                        .isEqualTo(expected.path("model").path("merges"));
                assertThat(made).isEqualTo(expected);
            }));
            tests.add(DynamicTest.dynamicTest(name + " ids", () -> {
                byte[] json = JsonMapper.shared().writeValueAsBytes(converted(name));
                try (HuggingFaceTokenizer tokenizer =
                        HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(json), Map.of())) {
                    for (JsonNode text : golden.path("texts")) {
                        List<Long> ids = new ArrayList<>();
                        text.path("ids").forEach(id -> ids.add(id.asLong()));
                        assertThat(tokenizer
                                        .encode(text.path("text").asString(), false, false)
                                        .getIds())
                                .as(text.path("text").asString())
                                .containsExactly(ids.toArray(Long[]::new));
                    }
                }
            }));
        }
        return tests;
    }

    private JsonNode converted(String name) {
        return TokenizerFiles.convert(
                        goldens.file("sentencepiece/" + name),
                        emptyConfig(),
                        Integer.MAX_VALUE,
                        List.of(),
                        new Warnings())
                .tokenizer();
    }

    private CheckpointJson emptyConfig() {
        try {
            Files.writeString(directory.resolve("config.json"), "{}");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return CheckpointJson.read(directory.resolve("config.json"));
    }

    private SentencePieceConverter.Converted convert() {
        return SentencePieceConverter.convert(directory, emptyConfig(), null);
    }

    @Test
    void refusesAnotherKindOfModel() throws IOException {
        Files.copy(goldens.file("sentencepiece/unigram.model"), directory.resolve("tokenizer.model"));
        refuses(ErrorCode.CHECKPOINT_UNSUPPORTED, "is of the kind UNIGRAM; supported: BPE");
    }

    @Test
    void refusesWhatIsNoModel() throws IOException {
        write("{\"version\":\"1.0\"}".getBytes(StandardCharsets.UTF_8));
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, "SentencePiece model");
        write(new byte[0]);
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, "it is empty");
        write(new byte[] {10, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1});
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, "asks for 18446744073709551615 bytes");
        Files.delete(directory.resolve("tokenizer.model"));
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, "NoSuchFile");
    }

    /** Every prefix of a model is refused, or is itself a smaller model. */
    @Test
    void survivesEveryTruncation() throws IOException {
        byte[] whole = Files.readAllBytes(goldens.file("sentencepiece/alone/tokenizer.model"));
        for (int length = 0; length < whole.length; length += 7) {
            write(Arrays.copyOf(whole, length));
            assertThatThrownBy(() -> convert()).isInstanceOf(VlmException.class);
        }
    }

    @Test
    void refusesPiecesThatCannotBeMeant() throws IOException {
        // ModelProto{pieces: "a" 0, "b" −1, …, trainer_spec: {model_type: BPE}}
        byte[] bpe = {18, 2, 24, 2};
        write(join(piece("a", 0), piece("b", -1), bpe));
        assertThat(convert().tokenizer().path("model").path("vocab")).hasSize(2);
        write(join(piece("a", 0), piece("a", -1), bpe));
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, "the piece 'a' twice, as 0 and 1");
        write(join(piece("a", -1), piece("b", 0), bpe));
        refuses(ErrorCode.CHECKPOINT_UNSUPPORTED, "a better score for piece 1");
        write(join(piece("", 0), bpe));
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, "piece 0 has 0 characters");
    }

    private static byte[] piece(String text, float score) {
        int bits = Float.floatToIntBits(score);
        byte[] head = {10, (byte) (7 + text.length()), 10, (byte) text.length()};
        byte[] tail = {21, (byte) bits, (byte) (bits >> 8), (byte) (bits >> 16), (byte) (bits >> 24)};
        return join(head, text.getBytes(StandardCharsets.US_ASCII), tail);
    }

    private static byte[] join(byte[]... parts) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            out.writeBytes(part);
        }
        return out.toByteArray();
    }

    private void write(byte[] model) throws IOException {
        Files.write(directory.resolve("tokenizer.model"), model);
    }

    private void refuses(ErrorCode code, String part) {
        assertThatThrownBy(() -> convert())
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(code))
                .hasMessageContaining("tokenizer.model")
                .hasMessageContaining(part);
    }
}
