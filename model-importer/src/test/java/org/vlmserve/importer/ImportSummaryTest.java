package org.vlmserve.importer;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.bundle.BundleReader;
import org.vlmserve.importer.checkpoint.CheckpointReader;
import org.vlmserve.importer.graph.WeightFormat;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.testing.GoldenCheckpoint;
import org.vlmserve.testing.Goldens;

class ImportSummaryTest {

    private final Path directory;
    private int made;

    ImportSummaryTest(@TempDir Path directory) {
        this.directory = directory;
    }

    private TinyCheckpoint copy(String family, String name) {
        return TinyCheckpoint.copy(Goldens.find().checkpoint(family, name), directory.resolve("checkpoint-" + made++));
    }

    private ImportResult imported(TinyCheckpoint checkpoint) {
        return imported(checkpoint.save().directory(), ImportOptions.of(Precision.FP32));
    }

    private ImportResult imported(Path checkpoint, ImportOptions options) {
        return new Importer()
                .run(checkpoint, directory.resolve("bundle-" + made++), options, false, ProgressListener.SILENT);
    }

    private static void add(TinyCheckpoint checkpoint, String... names) {
        for (String name : names) {
            checkpoint.weights().put(name, "F32", new long[] {1}, new byte[4]);
        }
    }

    static List<GoldenCheckpoint> checkpoints() {
        return Goldens.find().checkpoints();
    }

    private static int tensors(Path checkpoint) {
        try (CheckpointReader reader = CheckpointReader.open(checkpoint)) {
            return reader.names().size();
        }
    }

    /** What published checkpoints hold beside what is needed is known. */
    @ParameterizedTest
    @MethodSource("checkpoints")
    void nothingIsAmissWithAWholeCheckpoint(GoldenCheckpoint golden) {
        ImportResult result = imported(golden.directory(), ImportOptions.of(Precision.INT8, golden.visionTower()));
        ImportSummary summary = result.summary();
        assertThat(summary.warnings()).isEmpty();
        int all = tensors(golden.directory());
        Path tower = golden.visionTower();
        if (tower != null && !golden.name().contains("own-tower")) {
            all += tensors(tower);
        }
        assertThat(summary.usedTensors() + summary.unusedTensors().size()).isEqualTo(all);
        assertThat(summary.usedTensors()).isGreaterThan(summary.unusedTensors().size());
        assertThat(summary.family()).isEqualTo(golden.family());
        assertThat(result.bundle().manifest().checkpoint().unusedTensors()).isEqualTo(summary.unusedTensors());
        assertThat(BundleReader.read(result.bundle().directory()).manifest())
                .isEqualTo(result.bundle().manifest());
    }

    @Test
    void bytesAreCountedByFormat() throws IOException {
        GoldenCheckpoint golden = Goldens.find().checkpoint("qwen2_vl", "flat-tied");
        for (Precision precision : Precision.values()) {
            ImportResult result = imported(golden.directory(), ImportOptions.of(precision));
            ImportSummary summary = result.summary();
            assertThat(summary.weightBytes().keySet())
                    .containsExactlyElementsOf(
                            switch (precision) {
                                case FP32 -> List.of(WeightFormat.FP32);
                                case INT8 -> List.of(WeightFormat.FP32, WeightFormat.ROWWISE_INT8);
                                case INT4 ->
                                    List.of(
                                            WeightFormat.FP32,
                                            WeightFormat.ROWWISE_INT8,
                                            WeightFormat.BLOCK_INT8,
                                            WeightFormat.BLOCK_INT4);
                            });
            assertThat(summary.embeddingDtype()).isEqualTo(DType.BF16);
            assertThat(summary.embeddingBytes())
                    .isEqualTo(Files.size(result.bundle().decoderEmbeddings()))
                    .isEqualTo(416 * 96 * 2);
            long files = 0;
            Bundle bundle = result.bundle();
            for (Path graph : List.of(bundle.encoderGraph(), bundle.projectorGraph(), bundle.decoderGraph())) {
                files += Files.size(graph.resolveSibling("weights.bin"));
            }
            long counted = summary.weightBytes().values().stream()
                    .mapToLong(Long::longValue)
                    .sum();
            // What the borders of weights in a file leave free is in no format.
            assertThat(counted).isLessThanOrEqualTo(files).isGreaterThan(files * 9 / 10);
            if (precision == Precision.INT4) {
                // The head: bytes, and a float for each block of 32.
                assertThat(summary.weightBytes()).containsEntry(WeightFormat.BLOCK_INT8, 416L * 96 + 416 * 3 * 4);
            }
        }
    }

    @Test
    void knownLeftoversAreNamedAndNoReasonForAWarning() {
        TinyCheckpoint checkpoint = copy("llava", "vicuna-hub");
        List<String> before = imported(checkpoint).summary().unusedTensors();
        String[] leftovers = {
            "language_model.model.layers.0.self_attn.rotary_emb.inv_freq",
            "vision_tower.vision_model.embeddings.position_ids",
        };
        add(checkpoint, leftovers);
        ImportSummary summary = imported(checkpoint).summary();
        assertThat(before).contains("vision_tower.vision_model.post_layernorm.weight");
        assertThat(before).anyMatch(name -> name.startsWith("vision_tower.vision_model.encoder.layers.2."));
        assertThat(summary.unusedTensors()).containsAll(before).contains(leftovers);
        assertThat(summary.unusedTensors()).hasSize(before.size() + 2);
        assertThat(summary.warnings()).isEmpty();
    }

    @Test
    void moreLayersThanTheConfigurationNamesAreAWarning() {
        TinyCheckpoint checkpoint = copy("qwen2_vl", "half-merged")
                .config(config -> config.withObject("text_config").put("num_hidden_layers", 2));
        ImportSummary summary = imported(checkpoint).summary();
        assertThat(summary.warnings())
                .singleElement()
                .asString()
                .contains("model.layers.2, which are more layers than config.json names");
        assertThat(summary.unusedTensors()).hasSize(12).allMatch(name -> name.startsWith("model.layers.2."));
        TinyCheckpoint tower = copy("llava", "vicuna-hub");
        add(tower, "vision_tower.vision_model.encoder.layers.3.layer_norm1.weight");
        assertThat(imported(tower).summary().warnings())
                .singleElement()
                .asString()
                .contains("vision_tower.vision_model.encoder.layers.3, which are more layers");
    }

    @Test
    void tensorsOfAnotherArchitectureAreAWarning() {
        TinyCheckpoint checkpoint = copy("qwen2_vl", "nested-untied");
        add(checkpoint, "value_head.weight", "model.language_model.layers.0.self_attn.q_norm.weight");
        checkpoint.weights().put("steps", "I64", new long[] {1}, new byte[8]);
        assertThat(imported(checkpoint).summary().warnings())
                .containsExactly(
                        "3 tensors of the checkpoint are no part of this architecture and not used: value_head.weight,"
                                + " model.language_model.layers.0.self_attn.q_norm.weight, steps");
    }

    @Test
    void anAdapterThatIsNotAppliedIsAWarning() throws IOException {
        TinyCheckpoint checkpoint = copy("qwen2_vl", "nested-untied");
        Files.writeString(checkpoint.file("adapter_config.json"), "{}");
        Files.writeString(checkpoint.file("adapter_model.safetensors"), "");
        assertThat(imported(checkpoint).summary().warnings())
                .singleElement()
                .asString()
                .startsWith("adapter_config.json lies beside the weights")
                .contains("merge_and_unload()");
    }

    @Test
    void aCheckpointThatIsMostlyUnusedIsAWarning() {
        TinyCheckpoint checkpoint = copy("qwen2_vl", "nested-untied");
        add(checkpoint, IntStream.range(0, 500).mapToObj(i -> "other." + i).toArray(String[]::new));
        ImportResult result = imported(checkpoint);
        assertThat(result.summary().warnings())
                .anyMatch(warning -> warning.contains("most of the checkpoint is not used: 500 of its tensors")
                        && warning.contains("is config.json the one that belongs to it?"));
        assertThat(result.bundle().manifest().checkpoint().unusedTensors()).hasSize(500);
        assertThat(result.summary().lines())
                .contains("not used: "
                        + String.join(
                                ", ",
                                IntStream.range(0, 10)
                                        .mapToObj(i -> "other." + i)
                                        .toList())
                        + " and 490 more; bundle.json names all");
        assertThat(result.summary().lines()).allMatch(line -> line.length() < 600);
    }

    @Test
    void theCommandPrintsItBeforeTheLineForScripts() {
        TinyCheckpoint checkpoint = copy("qwen2_vl", "nested-untied");
        add(checkpoint, "value_head.weight");
        checkpoint.save();
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Path bundle = directory.resolve("bundle");
        int code = ImportCommand.run(
                new String[] {checkpoint.directory().toString(), bundle.toString()},
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8),
                false);
        assertThat(code).isZero();
        assertThat(out.toString(StandardCharsets.UTF_8).lines())
                .singleElement()
                .asString()
                .matches(".*bundle qwen2_vl int8 [0-9a-f]{12}");
        List<String> lines = err.toString(StandardCharsets.UTF_8).lines().toList();
        assertThat(lines.subList(lines.size() - 4, lines.size()))
                .satisfiesExactly(
                        line -> assertThat(line)
                                .isEqualTo("qwen2_vl: "
                                        + (checkpoint.weights().names().size() - 1) + " tensors used, 1 not used"),
                        line -> assertThat(line).isEqualTo("not used: value_head.weight"),
                        line -> assertThat(line)
                                .matches(
                                        "weights: [0-9.]+ MiB FP32, [0-9.]+ MiB ROWWISE_INT8; embeddings: 0.1 MiB F32"),
                        line -> assertThat(line)
                                .startsWith("warning: 1 tensor of the checkpoint is no part of this architecture"));
    }

    /** The revision is a hash of the manifest too, so nothing in it may tell where the checkpoint was. */
    @Test
    void theSameWarningsHaveTheSameRevision() {
        String revision = "";
        for (int i = 0; i < 2; i++) {
            TinyCheckpoint checkpoint =
                    copy("qwen2_vl", "nested-untied").config(config -> config.put("tie_word_embeddings", true));
            add(checkpoint, "value_head.weight");
            ImportResult result = imported(checkpoint);
            assertThat(result.summary().warnings()).hasSize(2);
            String again = result.bundle().manifest().revision();
            assertThat(revision).isIn("", again);
            revision = again;
        }
    }
}
