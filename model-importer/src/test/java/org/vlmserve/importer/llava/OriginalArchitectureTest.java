package org.vlmserve.importer.llava;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.importer.ImportOptions;
import org.vlmserve.importer.Importer;
import org.vlmserve.importer.Precision;
import org.vlmserve.importer.ProgressListener;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.testing.GoldenCheckpoint;
import org.vlmserve.testing.Goldens;

class OriginalArchitectureTest {

    private final GoldenCheckpoint golden = Goldens.find().checkpoint("llava_llama", "v1-shards");
    private final Path tower = Objects.requireNonNull(golden.visionTower());

    @TempDir
    private Path directory;

    private Bundle imported(Path checkpoint, @Nullable Path visionTower) {
        return Importer.importCheckpoint(
                checkpoint,
                directory.resolve("bundle"),
                ImportOptions.of(Precision.INT8, visionTower),
                ProgressListener.SILENT);
    }

    private void refuses(@Nullable Path visionTower, String... parts) {
        assertThatThrownBy(() -> imported(golden.directory(), visionTower))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CHECKPOINT_UNREADABLE))
                .message()
                .contains(List.of(parts));
        assertThat(directory.resolve("bundle")).doesNotExist();
    }

    @Test
    void makesATokenizerFileOfASentencePieceModel() throws IOException {
        Bundle bundle = imported(golden.directory(), tower);
        assertThat(bundle.manifest().family()).isEqualTo("llava_llama");
        assertThat(bundle.manifest().chatTemplate()).contains("USER:", "ASSISTANT:", "A chat between a curious user");
        assertThat(bundle.tokenizer()).isRegularFile();
    }

    @Test
    void asksForTheTowerThatTheCheckpointNames() {
        refuses(
                null,
                "config.json: 'mm_vision_tower' is \"openai/clip-vit-large-patch14\"",
                "given with --vision-tower DIR");
    }

    @Test
    void refusesATowerThatIsAnotherOrNone() throws IOException {
        refuses(
                Goldens.find().checkpoint("llava_llama", "start-end").visionTower(),
                "'mm_hidden_size' is 32",
                "the width of the tower",
                "48",
                "openai/clip-vit-large-patch14");
        refuses(directory.resolve("nowhere"), "nowhere", "no such file");
        Path bare = Files.createDirectory(directory.resolve("bare"));
        for (String name : List.of("config.json", "preprocessor_config.json")) {
            Files.copy(tower.resolve(name), bare.resolve(name));
        }
        refuses(bare, "bare", "there are no weights");
    }

    @Test
    void refusesATowerOfAnotherKind() {
        assertThatThrownBy(() -> imported(golden.directory(), golden.directory()))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CHECKPOINT_UNSUPPORTED))
                .hasMessageContaining("'model_type' is \"llava\"; supported: clip_vision_model");
    }

    /** The Hub's layout has the same model_type. */
    @Test
    void leavesTheHubsLayoutToItsOwnArchitecture() {
        Path hub = Goldens.find().checkpoint("llava", "vicuna-hub").directory();
        assertThat(imported(hub, null).manifest().family()).isEqualTo("llava");
    }

    @Test
    void namesATensorThatTheProjectorLacks() throws IOException {
        Path changed = Files.createDirectory(directory.resolve("changed"));
        try (Stream<Path> files = Files.list(golden.directory())) {
            for (Path file : files.toList()) {
                Files.copy(file, changed.resolve(file.getFileName()));
            }
        }
        Path config = changed.resolve("config.json");
        Files.writeString(
                config,
                Files.readString(config)
                        .replace("\"mm_hidden_size\"", "\"mm_projector_type\": \"mlp2x_gelu\",\n  \"mm_hidden_size\""));
        assertThatThrownBy(() -> imported(changed, tower))
                .isInstanceOf(VlmException.class)
                .hasMessageContaining("tensor model.mm_projector.0.weight is missing");
    }
}
