package org.vlmserve.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
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
        assertThat(goldens.checkpoint("qwen2_vl", "nested-untied").cases()).hasSizeGreaterThanOrEqualTo(10);
        assertThat(goldens.checkpoint("qwen2_vl", "flat-tied").cases()).hasSizeGreaterThanOrEqualTo(6);
        assertThatThrownBy(() -> goldens.checkpoint("qwen2_vl", "nope"))
                .hasMessageContaining("no golden checkpoint qwen2_vl/nope")
                .hasMessageContaining("qwen2_vl/flat-tied");
    }

    @Test
    void everyCaseIsWhole() {
        assertThat(goldens.cases("qwen2_vl")).allSatisfy(c -> {
            assertThat(c.inputIds()).hasSize(c.promptTokens());
            assertThat(c.positionIds().shape()).containsExactly(3, c.promptTokens());
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
            int patches = 0;
            for (GoldenCase.Picture picture : c.pictures()) {
                patches += picture.gridThw()[1] * picture.gridThw()[2];
                assertThat(c.fileOf(picture)).exists();
                TensorAssert.assertThat(c.resized(picture))
                        .hasShape(picture.resizedHeight(), picture.resizedWidth(), 3);
            }
            if (!c.pictures().isEmpty()) {
                assertThat(c.encoderOutput().shape()[0]).isEqualTo(patches);
                assertThat(c.projectorOutput().shape()[0]).isEqualTo(c.pictureTokens());
            }
            if (c.has("pixel_values")) {
                assertThat(c.pixelValues().shape()[0]).isEqualTo(patches);
            } else {
                assertThatThrownBy(c::pixelValues).hasMessageContaining("stores no pixel_values");
            }
            for (GoldenCase.Step step : c.steps()) {
                assertThat(step.top()).hasSize(5);
                assertThat(step.top().getFirst().id()).isEqualTo(step.id());
                assertThat(step.top().getFirst().logprob()).isEqualTo(step.logprob());
            }
        });
    }

    /** A test of the record: the bytes of all tokens but the special ones are the bytes of the answer. */
    @Test
    void bytesOfTheStepsMakeTheText() {
        assertThat(goldens.cases("qwen2_vl")).allSatisfy(c -> {
            Map<String, Integer> special = c.checkpoint().tokens().specialTokens();
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            for (GoldenCase.Step step : c.steps()) {
                if (!special.containsValue(step.id())) {
                    for (int b : step.bytes()) {
                        bytes.write(b);
                    }
                }
            }
            assertThat(bytes.toString(StandardCharsets.UTF_8)).isEqualTo(c.text());
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
