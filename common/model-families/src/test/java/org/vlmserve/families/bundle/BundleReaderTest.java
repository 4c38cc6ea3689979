package org.vlmserve.families.bundle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vlmserve.families.FamilyRegistry;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.testing.fuzz.Fuzzer;
import org.vlmserve.testing.fuzz.JsonMutations;
import org.vlmserve.testing.fuzz.TextMutations;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

class BundleReaderTest {

    private static final JsonMapper JSON = JsonMapper.shared();

    @TempDir
    private Path directory;

    private static BundleManifest manifest() {
        return new BundleManifest(
                BundleManifest.FORMAT,
                "some_family",
                "0123456789ab",
                "int8",
                Instant.parse("2026-01-02T03:04:05Z"),
                new BundleManifest.Encoder(32),
                new BundleManifest.Projector(4),
                new BundleManifest.Decoder(64, 2, 4, 2, 16, 448, 4096, 3, 448, DType.F32, 8),
                new BundleManifest.Generation(List.of(7, 8), true, 0.01, 0.001, 1, null, 1.05),
                JSON.createObjectNode().put("patchSize", 14),
                JSON.createObjectNode().put("imageTokenId", 5),
                BundleManifest.Checkpoint.UNREMARKABLE,
                "{{ messages }}");
    }

    @Test
    void whatIsWrittenIsReadAgain() throws IOException {
        BundleWriter.write(directory, manifest());
        assertThat(BundleReader.read(directory)).isEqualTo(new Bundle(directory, manifest()));
        assertThat(directory).isDirectoryContaining(file -> file.endsWith("bundle.json"));
    }

    /** Whatever stands in a manifest, it is read or said to be corrupt. */
    @Test
    void anyManifestIsReadOrRefused() {
        Path file = directory.resolve(Bundle.MANIFEST);
        Fuzzer.of("bundle-manifest", ErrorCode.BUNDLE_CORRUPT)
                .from(List.of(JSON.writeValueAsBytes(manifest())))
                .by(TextMutations.all())
                .by(JsonMutations.all())
                .by(JsonMutations.all())
                .oneIn(4)
                .run(input -> {
                    Files.write(file, input);
                    BundleReader.read(directory);
                });
    }

    @ParameterizedTest
    @CsvSource({
        "/revision, 'x', revision",
        "/precision, 'fp8', precision",
        "/family, null, family",
        "/importedAt, 'yesterday', importedAt",
        "/decoder/layers, 0, decoder.layers",
        "/decoder/kvHeads, 3, decoder.kvHeads",
        "/decoder/hidden, 'wide', decoder.hidden",
        "/decoder/hidden, null, decoder.hidden",
        "/decoder/embeddingDtype, 'F99', decoder.embeddingDtype",
        "/decoder/embeddingRows, 447, decoder.embeddingRows",
        "/decoder/positionChannels, 2, decoder.positionChannels",
        "/decoder/embeddingScale, 0, decoder.embeddingScale",
        "/encoder, 5, encoder",
        "/generation/eosTokenIds, null, generation.eosTokenIds",
        "/checkpoint, null, checkpoint",
        "/checkpoint/warnings, null, checkpoint.warnings",
        "/checkpoint/unusedTensors, 5, checkpoint.unusedTensors",
        "/format, 99, format",
        "/format, 'one', format",
    })
    void anErrorNamesFileAndField(String pointer, String value, String field) throws IOException {
        ObjectNode tree = (ObjectNode) JSON.valueToTree(manifest());
        String[] path = pointer.substring(1).split("/", -1);
        ObjectNode parent = path.length == 1 ? tree : (ObjectNode) tree.path(path[0]);
        parent.set(
                path[path.length - 1],
                value.matches("null|[0-9]+")
                        ? JSON.readTree(value)
                        : JSON.getNodeFactory().stringNode(value));
        Files.write(directory.resolve("bundle.json"), JSON.writeValueAsBytes(tree));
        assertThatThrownBy(() -> BundleReader.read(directory))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.BUNDLE_CORRUPT))
                .hasMessageContaining(directory.resolve("bundle.json").toString())
                .hasMessageContaining("'" + field + "'");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "{", "[]", "42"})
    void whatIsNoManifestIsRefused(String content) throws IOException {
        Files.writeString(directory.resolve("bundle.json"), content);
        assertThatThrownBy(() -> BundleReader.read(directory))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.BUNDLE_CORRUPT));
    }

    @Test
    void anEmptyDirectoryIsNoBundle() {
        assertThatThrownBy(() -> BundleReader.read(directory)).hasMessageContaining("there is no such file");
    }

    @Test
    void theRevisionFollowsTheContentAndNotTheTime() throws IOException {
        Files.createDirectory(directory.resolve("decoder"));
        Files.writeString(directory.resolve("decoder/graph.onnx"), "a graph");
        String first = BundleWriter.withRevision(directory, manifest()).revision();
        BundleWriter.write(directory, BundleWriter.withRevision(directory, manifest()));
        assertThat(BundleWriter.withRevision(directory, manifest()).revision()).isEqualTo(first);
        assertThat(first).matches("[0-9a-f]{12}").isNotEqualTo(manifest().revision());
        Files.writeString(directory.resolve("decoder/graph.onnx"), "b graph");
        assertThat(BundleWriter.withRevision(directory, manifest()).revision()).isNotEqualTo(first);
    }

    @Test
    void anUnknownFamilyIsNamedBesideTheKnownOnes() {
        assertThatThrownBy(() -> FamilyRegistry.load().familyOf(new Bundle(directory, manifest())))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.BUNDLE_CORRUPT))
                .hasMessageContaining("some_family")
                .hasMessageContaining("bundle.json");
    }
}
