package org.vlmserve.importer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.importer.checkpoint.CheckpointReader;
import org.vlmserve.importer.checkpoint.EditedWeights;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.testing.GoldenCheckpoint;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.JsonNode;

/**
 * Directories that leave a choice, against what transformers loads of them: {@code goldens/maker/loading.py} makes the same ones, with
 * another number in the last norm of each file.
 */
class WeightFilesTest {

    private static final String SINGLE = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";
    private static final String BIN = "pytorch_model.bin";
    private static final String BIN_INDEX = "pytorch_model.bin.index.json";
    private static final String NORM = "model.language_model.norm.weight";
    private static final String HEAD = "lm_head.weight";

    private final Goldens goldens = Goldens.find();
    private final GoldenCheckpoint golden = goldens.checkpoint("qwen2_vl", "nested-untied");

    @TempDir
    Path directory;

    private int made;

    private static EditedWeights filled(TinyCheckpoint d, double value) {
        return d.weights().copy().fill(NORM, "F32", value);
    }

    private static void safetensors(TinyCheckpoint d, String name, double value) {
        filled(d, value).save(d.file(name));
    }

    private static void bin(TinyCheckpoint d, String name, double value) {
        filled(d, value).saveTorch(d.file(name));
    }

    private static Map<String, String> places(TinyCheckpoint d, String file) {
        Map<String, String> places = new TreeMap<>();
        d.weights().names().forEach(name -> places.put(name, file));
        return places;
    }

    private static void index(TinyCheckpoint d, String name, String shard) {
        EditedWeights.index(d.file(name), places(d, shard));
    }

    private static void edit(Path file, UnaryOperator<String> change) {
        try {
            Files.writeString(file, change.apply(Files.readString(file)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void anotherNorm(TinyCheckpoint d, String name) {
        filled(d, 2).copy(NORM, name).fill(NORM, "F32", 1).save(d.file(SINGLE));
    }

    private static Map<String, Consumer<TinyCheckpoint>> scenarios() {
        Map<String, Consumer<TinyCheckpoint>> all = new HashMap<>();
        all.put("single_beside_index", d -> {
            safetensors(d, SINGLE, 1);
            safetensors(d, "old.safetensors", 2);
            index(d, INDEX, "old.safetensors");
        });
        all.put("single_beside_index_without_shards", d -> {
            safetensors(d, SINGLE, 1);
            index(d, INDEX, "old.safetensors");
        });
        all.put("index_beside_bin", d -> {
            safetensors(d, "new.safetensors", 1);
            index(d, INDEX, "new.safetensors");
            bin(d, BIN, 2);
        });
        all.put("index_without_shards_beside_bin", d -> {
            index(d, INDEX, "gone.safetensors");
            bin(d, BIN, 2);
        });
        all.put("bin_beside_its_index", d -> {
            bin(d, BIN, 1);
            bin(d, "old.bin", 2);
            index(d, BIN_INDEX, "old.bin");
        });
        all.put("single_beside_bin", d -> {
            safetensors(d, SINGLE, 1);
            bin(d, BIN, 2);
        });
        all.put("variant", d -> safetensors(d, "model.fp16.safetensors", 1));
        all.put("consolidated", d -> safetensors(d, "consolidated.safetensors", 1));
        all.put("shard_without_index", d -> safetensors(d, "model-00001-of-00001.safetensors", 1));
        all.put("named_in_config", d -> {
            safetensors(d, SINGLE, 1);
            safetensors(d, "other.safetensors", 2);
            d.config(config -> config.put("transformers_weights", "other.safetensors"));
        });
        all.put("named_in_config_and_missing", d -> {
            safetensors(d, SINGLE, 1);
            d.config(config -> config.put("transformers_weights", "other.safetensors"));
        });
        all.put("named_in_config_as_index", d -> {
            safetensors(d, SINGLE, 1);
            safetensors(d, "other.safetensors", 2);
            index(d, "other.safetensors.index.json", "other.safetensors");
            d.config(config -> config.put("transformers_weights", "other.safetensors.index.json"));
        });
        all.put("index_of_a_folder", d -> {
            assertThat(d.file("weights").toFile().mkdir()).isTrue();
            safetensors(d, "weights/one.safetensors", 1);
            index(d, INDEX, "weights/one.safetensors");
        });
        all.put("index_lacks_a_tensor", d -> {
            safetensors(d, "one.safetensors", 1);
            Map<String, String> places = places(d, "one.safetensors");
            places.remove(NORM);
            EditedWeights.index(d.file(INDEX), places);
        });
        all.put("index_names_the_wrong_shard", d -> {
            filled(d, 1).remove(NORM).save(d.file("one.safetensors"));
            filled(d, 2).only(NORM).save(d.file("two.safetensors"));
            Map<String, String> places = places(d, "one.safetensors");
            places.put(HEAD, "two.safetensors");
            EditedWeights.index(d.file(INDEX), places);
        });
        all.put("tensor_in_two_shards", d -> {
            safetensors(d, "one.safetensors", 1);
            filled(d, 2).only(NORM).save(d.file("two.safetensors"));
            Map<String, String> places = places(d, "one.safetensors");
            places.put(HEAD, "two.safetensors");
            EditedWeights.index(d.file(INDEX), places);
        });
        all.put("safetensors_index_of_bin", d -> {
            bin(d, "one.bin", 1);
            index(d, INDEX, "one.bin");
        });
        all.put("bin_index_of_safetensors", d -> {
            safetensors(d, "one.safetensors", 1);
            index(d, BIN_INDEX, "one.safetensors");
        });
        all.put("double", d -> d.weights().copy().fill(NORM, "F64", 1 / 3.0).save(d.file(SINGLE)));
        all.put(
                "base_names",
                d -> filled(d, 1)
                        .rename(name -> name.replaceFirst("^model\\.", ""))
                        .save(d.file(SINGLE)));
        all.put("two_names", d -> anotherNorm(d, "model.norm.weight"));
        all.put("two_names_the_other_way_round", d -> anotherNorm(d, "language_model.norm.weight"));
        all.put("not_finite_in_config", d -> {
            safetensors(d, SINGLE, 1);
            edit(
                    d.file("config.json"),
                    text -> "{\"initializer_range\": Infinity, \"unknown\": [NaN, -Infinity], "
                            + text.strip().substring(1));
        });
        all.put("byte_order_mark", d -> {
            safetensors(d, SINGLE, 1);
            edit(d.file("config.json"), text -> "\ufeff" + text);
        });
        all.put("key_twice", d -> {
            safetensors(d, SINGLE, 1);
            edit(
                    d.file("config.json"),
                    text -> "{\"model_type\": \"another\", " + text.strip().substring(1));
        });
        return all;
    }

    @TestFactory
    List<DynamicTest> whatTransformersLoadsIsImported() {
        JsonNode expected = goldens.json("loading/loading.json").path("scenarios");
        Map<String, Consumer<TinyCheckpoint>> scenarios = scenarios();
        assertThat(expected.properties().stream().map(Map.Entry::getKey)).hasSameElementsAs(scenarios.keySet());
        List<DynamicTest> tests = new ArrayList<>();
        scenarios.forEach((name, make) -> tests.add(DynamicTest.dynamicTest(name, () -> {
            TinyCheckpoint checkpoint = TinyCheckpoint.copy(golden, directory.resolve(name));
            make.accept(checkpoint);
            JsonNode loaded = expected.path(name);
            if (loaded.path("refused").asBoolean(false)) {
                assertThatThrownBy(() -> imported(checkpoint.directory()))
                        .isInstanceOfSatisfying(
                                VlmException.class,
                                e -> assertThat(e.code()).isEqualTo(ErrorCode.CHECKPOINT_UNREADABLE))
                        .hasMessageContaining(checkpoint.directory().toString());
            } else {
                ImportResult result = imported(checkpoint.directory());
                assertThat(norm(checkpoint.directory()))
                        .isEqualTo((float) loaded.path("norm").asDouble());
                if (name.startsWith("two_names")) {
                    assertThat(result.summary().unusedTensors()).hasSize(1);
                    assertThat(result.summary().warnings())
                            .singleElement()
                            .asString()
                            .contains("under another name too");
                } else if (name.equals("tensor_in_two_shards")) {
                    assertThat(result.summary().warnings())
                            .singleElement()
                            .asString()
                            .contains(NORM, "two.safetensors", "one.safetensors");
                } else {
                    assertThat(result.summary().unusedTensors()).isEmpty();
                    assertThat(result.summary().warnings()).isEmpty();
                }
            }
        })));
        return tests;
    }

    private static float norm(Path checkpoint) {
        try (CheckpointReader reader = CheckpointReader.open(checkpoint)) {
            return reader.tensor(List.of(NORM, "model.norm.weight", "language_model.norm.weight"), 64)
                    .readAll()[0];
        }
    }

    private ImportResult imported(Path checkpoint) {
        return new Importer()
                .run(
                        checkpoint,
                        directory.resolve("bundle-" + made++),
                        ImportOptions.of(Precision.FP32),
                        false,
                        ProgressListener.SILENT);
    }

    /** As a download cache has it: each file a link to one elsewhere, whose name says nothing. */
    @Test
    void followsTheLinksOfADownloadCache() throws IOException {
        TinyCheckpoint whole = TinyCheckpoint.copy(golden, directory.resolve("whole"));
        safetensors(whole, "model-00001-of-00001.safetensors", 3);
        index(whole, INDEX, "model-00001-of-00001.safetensors");
        Path blobs =
                Files.createDirectories(directory.resolve("models--some--name").resolve("blobs"));
        Path snapshot =
                Files.createDirectories(blobs.resolveSibling("snapshots").resolve("0123abcd"));
        int number = 0;
        try (var files = Files.list(whole.directory())) {
            for (Path file : files.toList()) {
                Path blob = Files.move(file, blobs.resolve("blob" + number++));
                Files.createSymbolicLink(
                        snapshot.resolve(file.getFileName()),
                        Path.of("../../blobs").resolve(blob.getFileName()));
            }
        }
        imported(snapshot);
        assertThat(norm(snapshot)).isEqualTo(3);
        Path shard = snapshot.resolve("model-00001-of-00001.safetensors");
        Files.delete(shard.toRealPath());
        refuses(snapshot, "model-00001-of-00001.safetensors", "a link to a file that is not there");
        Files.delete(snapshot.resolve(INDEX));
        refuses(snapshot, "there are no weights", "a link to a file that is not there");
        refuses(directory.resolve("models--some--name"), "there are checkpoints in snapshots/0123abcd");
    }

    @Test
    void takesAnyWayOfNamingTheDirectory() throws IOException {
        TinyCheckpoint checkpoint = TinyCheckpoint.copy(golden, directory.resolve("a name with spaces and ünïcode"));
        safetensors(checkpoint, "one.safetensors", 4);
        index(checkpoint, INDEX, "one.safetensors");
        Path here = Path.of("").toAbsolutePath();
        Path relative = here.relativize(checkpoint.directory());
        Path roundabout = checkpoint
                .directory()
                .resolve("..")
                .resolve(checkpoint.directory().getFileName());
        for (Path name : List.of(checkpoint.directory(), relative, roundabout, checkpoint.file("."))) {
            assertThat(norm(name)).as(name.toString()).isEqualTo(4);
        }
        imported(relative);
    }

    @Test
    void anIndexIsHeldToItsDirectory() {
        TinyCheckpoint checkpoint = TinyCheckpoint.copy(golden, directory.resolve("checkpoint"));
        TinyCheckpoint other = TinyCheckpoint.copy(golden, directory.resolve("other"));
        safetensors(other, "one.safetensors", 1);
        for (String outside : List.of(
                "../other/one.safetensors", other.file("one.safetensors").toString(), "")) {
            index(checkpoint, INDEX, outside);
            refuses(checkpoint.directory(), INDEX, "it names '" + outside + "'");
        }
        checkpoint.config(config -> config.put("transformers_weights", "../other/one.safetensors"));
        refuses(checkpoint.directory(), "config.json: 'transformers_weights'", "in the checkpoint's directory");
        checkpoint.config(config -> config.put("transformers_weights", "weights.bin"));
        refuses(checkpoint.directory(), "config.json: 'transformers_weights'", ".safetensors");
    }

    @Test
    void aTensorThatOnlyTheIndexHasIsNamedWithItsShard() {
        TinyCheckpoint checkpoint = TinyCheckpoint.copy(golden, directory.resolve("checkpoint"));
        filled(checkpoint, 1).remove(NORM).save(checkpoint.file("one.safetensors"));
        index(checkpoint, INDEX, "one.safetensors");
        refuses(
                checkpoint.directory(),
                "one.safetensors",
                "tensor " + NORM,
                "is missing, although the index says that it is here");
    }

    private void refuses(Path checkpoint, String... parts) {
        assertThatThrownBy(() -> imported(checkpoint))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CHECKPOINT_UNREADABLE))
                .message()
                .contains(parts);
    }
}
