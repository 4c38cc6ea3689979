package org.vlmserve.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.protocol.tensor.DType;
import tools.jackson.databind.JsonNode;

class GoldensTest {

    private final Goldens goldens = Goldens.find();

    @Test
    void listsCheckpointsAndCases() {
        assertThat(goldens.checkpoints("qwen2_vl"))
                .extracting(GoldenCheckpoint::name)
                .contains("nested-untied", "flat-tied", "half-merged");
        assertThat(goldens.checkpoints())
                .extracting(GoldenCheckpoint::family)
                .contains("llava", "llava_next", "qwen2_vl");
        // Suites under test serve them side by side under these names.
        assertThat(goldens.checkpoints()).extracting(GoldenCheckpoint::name).doesNotHaveDuplicates();
        assertThat(goldens.checkpoint("qwen2_vl", "nested-untied").cases()).hasSizeGreaterThanOrEqualTo(10);
        assertThat(goldens.checkpoint("qwen2_vl", "flat-tied").cases()).hasSizeGreaterThanOrEqualTo(6);
        assertThatThrownBy(() -> goldens.checkpoint("qwen2_vl", "nope"))
                .hasMessageContaining("no golden checkpoint qwen2_vl/nope")
                .hasMessageContaining("qwen2_vl/flat-tied");
    }

    private List<GoldenCase> cases() {
        return goldens.checkpoints().stream().flatMap(c -> c.cases().stream()).toList();
    }

    @Test
    void everyCaseIsWhole() {
        assertThat(cases()).allSatisfy(c -> {
            assertThat(c.inputIds()).hasSize(c.promptTokens());
            assertThat(c.positionIds().shape()).hasSize(2).endsWith(c.promptTokens());
            assertThat(c.prefill()).isIn("causal", "whole_prefix");
            assertThat(c.nextPosition()).isPositive();
            assertThat(c.positionIds().dtype()).isEqualTo(DType.I64);
            assertThat(c.steps()).extracting(GoldenCase.Step::id).containsExactly(boxed(c.generatedIds()));
            assertThat(c.smallestMargin()).isGreaterThan(0.01);
            assertThat(c.finishReason()).isIn("stop", "length");
            assertThat(c.generatedIds().length).isLessThanOrEqualTo(c.request().maxTokens());
            assertThat(c.request().messages().isArray()).isTrue();
            assertThat(c.pictures().stream()
                            .mapToInt(GoldenCase.Picture::tokens)
                            .sum())
                    .isEqualTo(c.pictureTokens());
            int rows = 0;
            for (GoldenCase.Picture picture : c.pictures()) {
                rows += picture.projectorRows();
                assertThat(c.filesOf(picture))
                        .allSatisfy(file -> assertThat(file).exists());
                assertThat(picture.rows()).hasSize(picture.tokens());
                assertThat(Arrays.stream(picture.rows()).allMatch(row -> row < picture.projectorRows()))
                        .isTrue();
                assertThat(c.tiles(picture)).hasSameSizeAs(picture.grids());
            }
            if (!c.pictures().isEmpty()) {
                assertThat(c.projectorOutput().shape()[0]).isEqualTo(rows);
                assertThat(c.pictureEmbeddings().shape()[0]).isEqualTo(c.pictureTokens());
                assertThat(c.encoderOutput().shape()[0] % rows).isZero();
            }
            if (!c.has("pixel_values")) {
                assertThatThrownBy(c::pixelValues).hasMessageContaining("stores no pixel_values");
            }
            for (GoldenCase.Step step : c.steps()) {
                assertThat(step.top()).hasSize(5);
                assertThat(step.top().getFirst().id()).isEqualTo(step.id());
                assertThat(step.top().getFirst().logprob()).isEqualTo(step.logprob());
            }
        });
    }

    /**
     * A test of the record: the bytes of all tokens but the special ones are the bytes of the answer, behind the space with
     * which a tokenizer of SentencePiece's kind begins.
     */
    @Test
    void bytesOfTheStepsMakeTheText() {
        assertThat(cases()).allSatisfy(c -> {
            Map<String, Integer> special = c.checkpoint().tokens().specialTokens();
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            for (GoldenCase.Step step : c.steps()) {
                if (!special.containsValue(step.id())) {
                    for (int b : step.bytes()) {
                        bytes.write(b);
                    }
                }
            }
            String made = bytes.toString(StandardCharsets.UTF_8);
            int broken = c.text().indexOf('\ufffd');
            if (broken < 0) {
                assertThat(made).isIn(c.text(), " " + c.text());
            } else {
                // How many U+FFFD stand for bytes that are no text is each decoder's own rule.
                String whole = c.text().substring(0, broken);
                assertThat(made.startsWith(whole) || made.startsWith(" " + whole))
                        .as("%s begins with %s", made, whole)
                        .isTrue();
            }
        });
    }

    @Test
    void readsTheOtherGoldens() {
        assertThat(goldens.decodings()).hasSizeGreaterThan(50).allSatisfy(d -> {
            assertThat(goldens.file("pixels/decode/" + d.file())).exists();
            TensorAssert.assertThat(goldens.array("pixels/decode/" + d.expected()))
                    .hasShape(d.height(), d.width(), 3);
        });
        assertThat(goldens.brokenPictures()).isNotEmpty();
        assertThat(goldens.resizings())
                .allSatisfy(r -> TensorAssert.assertThat(goldens.array("pixels/resize/" + r.expected()))
                        .hasShape(r.height(), r.width(), 3));
        assertThat(goldens.smartResizes())
                .anySatisfy(r -> assertThat(r.refused()).isTrue());
        assertThat(goldens.smartResizes())
                .anySatisfy(r -> assertThat(r.resizedHeight()).isNotNull());
        assertThat(goldens.frameWishes())
                .hasSizeGreaterThan(500)
                .allSatisfy(w -> assertThat(w.indices() == null).isNotEqualTo(w.error() == null));
        assertThat(goldens.normalizings())
                .allSatisfy(n -> TensorAssert.assertThat(goldens.array("pixels/normalize/" + n.expected()))
                        .hasShape(256, 3));
        assertThat(goldens.chatRenderings())
                .hasSizeGreaterThan(100)
                .allSatisfy(r -> assertThat(r.expected() == null).isNotEqualTo(r.error() == null));
        assertThat(goldens.pieceRenderings()).hasSizeGreaterThan(100);
        assertThat(Goldens.plainMap(goldens.pieceRenderings().getFirst().arguments()))
                .containsEntry("n", 7)
                .containsEntry("whole", 2.0)
                .containsEntry("nothing", null);
        GoldenCheckpoint.Tokens tokens =
                goldens.checkpoint("qwen2_vl", "flat-tied").tokens();
        assertThat(tokens.texts()).isNotEmpty();
        assertThat(tokens.incremental())
                .allSatisfy(i -> assertThat(i.prefixes()).hasSize(i.ids().length));
    }

    @Test
    void noFileWasChangedByHand() throws Exception {
        assertThat(goldens.versionOf("transformers")).startsWith("5.");
        JsonNode sums = goldens.json("versions.json").path("sha256");
        assertThat(sums.size()).isGreaterThan(100);
        MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
        for (Map.Entry<String, JsonNode> entry : sums.properties()) {
            byte[] sum = sha256.digest(Files.readAllBytes(goldens.file(entry.getKey())));
            assertThat(HexFormat.of().formatHex(sum))
                    .as(entry.getKey())
                    .isEqualTo(entry.getValue().asString());
        }
    }

    @Test
    void refusesAFolderWithoutGoldens(@TempDir Path empty) {
        assertThatThrownBy(() -> Goldens.at(empty)).hasMessageContaining("holds no versions.json");
    }

    private static Integer[] boxed(int[] values) {
        Integer[] boxes = new Integer[values.length];
        for (int i = 0; i < values.length; i++) {
            boxes[i] = values[i];
        }
        return boxes;
    }
}
