package org.vlmserve.importer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.vlmserve.families.checkpoint.CheckpointConfig;
import org.vlmserve.importer.checkpoint.EditedWeights;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.testing.GoldenCheckpoint;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.node.ObjectNode;

/**
 * Which tensors become embedding table and output layer, for every golden checkpoint of every family, whatever its own head is. Bundles
 * are compared byte for byte with those whose logits {@link GoldenTest} compares with the reference's.
 */
class WordEmbeddingsTest {

    private static final String TABLE = "embed_tokens.weight";
    private static final String HEAD = "lm_head.weight";
    private static final String KEY = "tie_word_embeddings";

    /** Where {@code text_config} ties too, in transformers' classes. */
    private static final List<String> TIED_BY_TEXT = List.of("qwen2_vl", "llava");

    @TempDir
    Path directory;

    private int made;

    static List<GoldenCheckpoint> checkpoints() {
        return Goldens.find().checkpoints();
    }

    static List<GoldenCheckpoint> untied() {
        return checkpoints().stream()
                .filter(golden ->
                        EditedWeights.of(golden.directory()).names().stream().anyMatch(name -> name.endsWith(HEAD)))
                .toList();
    }

    static List<GoldenCheckpoint> nested() {
        return checkpoints().stream().filter(WordEmbeddingsTest::isNested).toList();
    }

    private TinyCheckpoint copy(GoldenCheckpoint golden) {
        return TinyCheckpoint.copy(golden, directory.resolve("checkpoint-" + made++));
    }

    /** A copy that has a head of its own, whose values are its table's backwards. */
    private TinyCheckpoint withHead(GoldenCheckpoint golden) {
        TinyCheckpoint copy = copy(golden);
        String table = copy.weights().name(TABLE);
        copy.weights().copyReversed(table, headName(copy));
        return copy;
    }

    /** The name that the checkpoint's layout has for a head. */
    private static String headName(TinyCheckpoint checkpoint) {
        return checkpoint.weights().name(TABLE).startsWith("language_model.model.") ? "language_model." + HEAD : HEAD;
    }

    private static Consumer<ObjectNode> tied(boolean tied) {
        return config -> {
            config.put(KEY, tied);
            if (config.path("text_config").isObject()) {
                ((ObjectNode) config.path("text_config")).remove(KEY);
            }
        };
    }

    private ImportResult imported(GoldenCheckpoint golden, Path checkpoint) {
        return new Importer()
                .run(
                        checkpoint,
                        directory.resolve("bundle-" + made++),
                        ImportOptions.of(Precision.FP32, golden.visionTower()),
                        false,
                        ProgressListener.SILENT);
    }

    private ImportResult imported(GoldenCheckpoint golden, TinyCheckpoint checkpoint) {
        return imported(golden, checkpoint.save().directory());
    }

    private static void assertSameDecoder(ImportResult actual, ImportResult expected) {
        for (String file : List.of("graph.onnx", "weights.bin", "embeddings.bin")) {
            assertThat(actual.bundle().directory().resolve("decoder").resolve(file))
                    .hasSameBinaryContentAs(
                            expected.bundle().directory().resolve("decoder").resolve(file));
        }
    }

    /** The golden's own logits come from its head, so these must too. */
    @ParameterizedTest
    @MethodSource("untied")
    void aHeadInTheFileIsUsedWhateverTheConfigurationSays(GoldenCheckpoint golden) {
        ImportResult expected = imported(golden, golden.directory());
        ImportResult actual = imported(golden, copy(golden).config(tied(true)));
        assertSameDecoder(actual, expected);
        assertThat(actual.summary().warnings())
                .singleElement()
                .asString()
                .contains(KEY + ": true", HEAD + " differs from", TABLE);
        assertThat(actual.summary().unusedTensors())
                .isEqualTo(expected.summary().unusedTensors());
        if (isNested(golden)) {
            assertSameDecoder(
                    imported(golden, copy(golden).config(config -> {
                        config.remove(KEY);
                        config.withObject("text_config").put(KEY, true);
                    })),
                    expected);
        }
    }

    private static boolean isNested(GoldenCheckpoint golden) {
        return CheckpointConfig.read(golden.directory()).has("text_config");
    }

    @ParameterizedTest
    @MethodSource("checkpoints")
    void ofTwoThatDifferEachIsUsed(GoldenCheckpoint golden) {
        ImportResult expected = imported(golden, withHead(golden).config(tied(false)));
        ImportResult actual = imported(golden, withHead(golden).config(tied(true)));
        assertSameDecoder(actual, expected);
        assertThat(expected.summary().warnings()).isEmpty();
        assertThat(actual.summary().warnings()).singleElement().asString().contains(HEAD + " differs from");
        assertThat(actual.bundle().manifest().checkpoint().warnings())
                .isEqualTo(actual.summary().warnings());
    }

    @ParameterizedTest
    @MethodSource("checkpoints")
    void ofTwoThatAreAlikeOneIsEnough(GoldenCheckpoint golden) throws IOException {
        TinyCheckpoint twice = copy(golden).config(tied(true));
        twice.weights().copy(twice.weights().name(TABLE), headName(twice));
        TinyCheckpoint table = copy(golden).config(tied(true));
        removeHead(table);
        TinyCheckpoint head = copy(golden).config(tied(true));
        removeHead(head);
        head.weights()
                .copy(head.weights().name(TABLE), headName(head))
                .remove(head.weights().name(TABLE));

        ImportResult expected = imported(golden, table);
        ImportResult both = imported(golden, twice);
        assertSameDecoder(both, expected);
        assertSameDecoder(imported(golden, head), expected);
        assertThat(both.summary().unusedTensors()).contains(headName(twice));
        assertThat(both.summary().warnings()).isEmpty();
        assertThat(Files.size(both.bundle().decoderEmbeddings())).isPositive();
    }

    /** What the reference would draw at random is refused. */
    @ParameterizedTest
    @MethodSource("checkpoints")
    void untiedNeitherStandsForTheOther(GoldenCheckpoint golden) {
        TinyCheckpoint table = copy(golden).config(tied(false));
        removeHead(table);
        refuses(golden, table, HEAD, "is missing", "set " + KEY + " to true");
        TinyCheckpoint head = withHead(golden).config(tied(false));
        head.weights().remove(head.weights().name(TABLE));
        refuses(golden, head, TABLE, "is missing");
        TinyCheckpoint none = copy(golden).config(tied(true));
        removeHead(none);
        none.weights().remove(none.weights().name(TABLE));
        refuses(golden, none, TABLE, "is missing");
    }

    /** transformers' classes do not agree on whether the key counts in {@code text_config}. */
    @ParameterizedTest
    @MethodSource("nested")
    void whatTheTextSaysCountsWhereTheReferencesClassReadsIt(GoldenCheckpoint golden) {
        TinyCheckpoint checkpoint = copy(golden).config(config -> {
            config.put(KEY, false);
            config.withObject("text_config").put(KEY, true);
        });
        removeHead(checkpoint);
        if (TIED_BY_TEXT.contains(golden.family())) {
            assertThat(imported(golden, checkpoint).summary().warnings()).isEmpty();
        } else {
            refuses(golden, checkpoint, HEAD, "is missing");
        }
    }

    private static void removeHead(TinyCheckpoint checkpoint) {
        checkpoint.weights().names().stream()
                .filter(name -> name.endsWith(HEAD))
                .forEach(checkpoint.weights()::remove);
    }

    private void refuses(GoldenCheckpoint golden, TinyCheckpoint checkpoint, String... parts) {
        assertThatThrownBy(() -> imported(golden, checkpoint))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CHECKPOINT_UNREADABLE))
                .message()
                .contains(parts);
    }
}
