package org.vlmserve.families.qwen2vl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

class Qwen2VlConfigTest {

    private static final JsonMapper JSON = JsonMapper.shared();

    @TempDir
    private Path checkpoint;

    private static Path golden(String name) {
        return Goldens.find().checkpoint("qwen2_vl", name).directory();
    }

    @Test
    void readsTheFlatLayoutOfTheHub() {
        Qwen2VlConfig config = Qwen2VlConfig.read(golden("flat-tied"), null, new Warnings());
        assertThat(config.vision())
                .isEqualTo(new Qwen2VlConfig.Vision(3, 32, 1, 4, 3, 14, 2, 2, 96, "quick_gelu", 1e-6, 10_000));
        assertThat(config.text())
                .isEqualTo(new Qwen2VlConfig.Text(
                        96, 128, 2, 6, 3, 416, 32768, 1e-5, 10_000, List.of(4, 2, 2), "silu", true));
        assertThat(config.preprocessing().minPixels()).isEqualTo(1568);
        assertThat(config.preprocessing().maxPixels()).isEqualTo(9408);
        assertThat(config.preprocessing().rescaleFactor()).isEqualTo(1 / 255.0);
        assertThat(config.generation().eosTokenIds()).containsExactly(402, 400);
        assertThat(config.generation().sample()).isTrue();
        assertThat(config.generation().topK()).isEqualTo(1);
        assertThat(config.generation().minP()).isNull();
        assertThat(config.prompt().imageToken()).isEqualTo("<|image_pad|>");
        assertThat(config.prompt().imageTokenId()).isEqualTo(412);
    }

    @Test
    void readsTheNestedLayout() {
        Qwen2VlConfig config = Qwen2VlConfig.read(golden("nested-untied"), null, new Warnings());
        assertThat(config.vision())
                .isEqualTo(new Qwen2VlConfig.Vision(2, 32, 2, 2, 3, 14, 2, 2, 64, "quick_gelu", 1e-6, 10_000));
        assertThat(config.text())
                .isEqualTo(new Qwen2VlConfig.Text(
                        64, 96, 2, 4, 2, 448, 4096, 1e-6, 1_000_000, List.of(2, 3, 3), "silu", false));
        assertThat(config.preprocessing().maxPixels()).isEqualTo(12544);
        assertThat(config.prompt().specialTokens())
                .containsEntry("eos_token", "<|im_end|>")
                .containsEntry("pad_token", "<|endoftext|>")
                .doesNotContainKeys("bos_token", "unk_token");
    }

    @Test
    void readsTheProcessorsFileAlone() {
        Qwen2VlConfig config = Qwen2VlConfig.read(golden("half-merged"), null, new Warnings());
        assertThat(config.preprocessing().patchSize()).isEqualTo(8);
        assertThat(config.preprocessing().minPixels()).isEqualTo(256);
        assertThat(config.vision().patchWidth()).isEqualTo(384);
        assertThat(config.vision().mergedSize()).isEqualTo(256);
        assertThat(config.vision().mlpSize()).isEqualTo(128);
        assertThat(config.text().tied()).isTrue();
    }

    private void copy(String name) throws IOException {
        try (Stream<Path> files = Files.list(golden(name))) {
            for (Path file :
                    files.filter(f -> !f.toString().contains("safetensors")).toList()) {
                Files.copy(file, checkpoint.resolve(file.getFileName()));
            }
        }
    }

    private void change(String file, String pointer, JsonNode value) throws IOException {
        Path path = checkpoint.resolve(file);
        ObjectNode tree = (ObjectNode) JSON.readTree(Files.readAllBytes(path));
        String[] steps = pointer.split("/", -1);
        ObjectNode parent = steps.length == 1 ? tree : (ObjectNode) tree.path(steps[0]);
        if (value.isMissingNode()) {
            parent.remove(steps[steps.length - 1]);
        } else {
            parent.set(steps[steps.length - 1], value);
        }
        Files.write(path, JSON.writeValueAsBytes(tree));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "config.json | model_type | \"llama\" | CHECKPOINT_UNSUPPORTED",
                "config.json | quantization_config | {} | CHECKPOINT_UNSUPPORTED",
                "config.json | text_config/use_sliding_window | true | CHECKPOINT_UNSUPPORTED",
                "config.json | text_config/hidden_act | \"relu\" | CHECKPOINT_UNSUPPORTED",
                "config.json | text_config/hidden_size | \"big\" | CHECKPOINT_UNREADABLE",
                "config.json | text_config/hidden_size | -64 | CHECKPOINT_UNREADABLE",
                "config.json | text_config/num_key_value_heads | 3 | CHECKPOINT_UNREADABLE",
                "config.json | vision_config/num_heads | 3 | CHECKPOINT_UNREADABLE",
                "config.json | vision_config/hidden_size | 65 | CHECKPOINT_UNREADABLE",
                "config.json | image_token_id | 3 | CHECKPOINT_UNREADABLE",
                "config.json | video_token_id | 3 | CHECKPOINT_UNREADABLE",
                "video_preprocessor_config.json | temporal_patch_size | 1 | CHECKPOINT_UNREADABLE",
                "video_preprocessor_config.json | do_normalize | false | CHECKPOINT_UNSUPPORTED",
                "video_preprocessor_config.json | image_mean | [0, 0, 0] | CHECKPOINT_UNSUPPORTED",
                "video_preprocessor_config.json | rescale_factor | 1 | CHECKPOINT_UNSUPPORTED",
                "video_preprocessor_config.json | max_pixels | 1 | CHECKPOINT_UNREADABLE",
                "video_preprocessor_config.json | fps | 0 | CHECKPOINT_UNREADABLE",
                "video_preprocessor_config.json | max_frames | 0 | CHECKPOINT_UNREADABLE",
                "preprocessor_config.json | patch_size | 16 | CHECKPOINT_UNREADABLE",
                "preprocessor_config.json | do_resize | false | CHECKPOINT_UNSUPPORTED",
                "preprocessor_config.json | resample | 2 | CHECKPOINT_UNSUPPORTED",
                "preprocessor_config.json | min_pixels | 99999999 | CHECKPOINT_UNREADABLE",
                "preprocessor_config.json | image_std | [1, 0, 1] | CHECKPOINT_UNREADABLE",
            })
    void anErrorNamesFileAndKey(String file, String pointer, String value, ErrorCode code) throws IOException {
        copy("nested-untied");
        change(file, pointer, JSON.readTree(value));
        assertThatThrownBy(() -> Qwen2VlConfig.read(checkpoint, null, new Warnings()))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(code))
                .hasMessageContaining(checkpoint.resolve(file).toString())
                .hasMessageContaining("'" + pointer.replace('/', '.') + "'");
    }

    @ParameterizedTest
    @CsvSource({"config.json", "preprocessor_config.json", "tokenizer.json"})
    void aMissingFileIsNamed(String file) throws IOException {
        copy("nested-untied");
        Files.delete(checkpoint.resolve(file));
        assertThatThrownBy(() -> Qwen2VlConfig.read(checkpoint, null, new Warnings()))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CHECKPOINT_UNREADABLE))
                .hasMessageContaining(checkpoint.resolve(file).toString());
    }

    @Test
    void omittedKeysTakeTheClassesDefaults() throws IOException {
        copy("nested-untied");
        Files.writeString(checkpoint.resolve("preprocessor_config.json"), "{}");
        Files.delete(checkpoint.resolve("generation_config.json"));
        change("config.json", "vision_config", JSON.readTree("{\"hidden_size\": 64}"));
        change("config.json", "text_config/rms_norm_eps", JSON.missingNode());
        change("config.json", "text_config/intermediate_size", JSON.missingNode());
        Qwen2VlConfig config = Qwen2VlConfig.read(checkpoint, null, new Warnings());
        assertThat(config.vision())
                .isEqualTo(new Qwen2VlConfig.Vision(32, 1280, 16, 4, 3, 14, 2, 2, 64, "quick_gelu", 1e-6, 10_000));
        assertThat(config.text().rmsNormEps()).isEqualTo(1e-5);
        assertThat(config.text().intermediate()).isEqualTo(29568);
        assertThat(config.preprocessing().minPixels()).isEqualTo(3136);
        assertThat(config.preprocessing().maxPixels()).isEqualTo(1_003_520);
        assertThat(config.preprocessing().mean()).containsExactly(0.48145466, 0.4578275, 0.40821073);
        assertThat(config.generation().eosTokenIds()).containsExactly(434);
        assertThat(config.generation().sample()).isFalse();
    }

    @Test
    void theTopLevelPairOverridesTheSizeAndTheAliasOfHeadsWins() throws IOException {
        copy("nested-untied");
        change("preprocessor_config.json", "max_pixels", JSON.readTree("50176"));
        change("config.json", "vision_config/num_attention_heads", JSON.readTree("4"));
        Qwen2VlConfig config = Qwen2VlConfig.read(checkpoint, null, new Warnings());
        assertThat(config.preprocessing().minPixels()).isEqualTo(3136);
        assertThat(config.preprocessing().maxPixels()).isEqualTo(50176);
        assertThat(config.vision().heads()).isEqualTo(4);
    }

    @Test
    void theProcessorsFileWinsOverThePreprocessors() throws IOException {
        copy("nested-untied");
        Files.writeString(
                checkpoint.resolve("processor_config.json"),
                "{\"image_processor\": {\"min_pixels\": 784, \"max_pixels\": 1568}}");
        assertThat(Qwen2VlConfig.read(checkpoint, null, new Warnings())
                        .preprocessing()
                        .maxPixels())
                .isEqualTo(1568);
    }

    @Test
    void aVideosSettingsAreNestedOrInAFileOfTheirOwnOrThoseOfPictures() throws IOException {
        assertThat(Qwen2VlConfig.read(golden("half-merged"), null, new Warnings())
                        .preprocessing()
                        .video())
                .isEqualTo(new Qwen2VlPreprocessing.Video(512, 6400, 40, 4, 768, null, null));
        assertThat(Qwen2VlConfig.read(golden("nested-untied"), null, new Warnings())
                        .preprocessing()
                        .video())
                .isEqualTo(new Qwen2VlPreprocessing.Video(1568, 9408, null, 4, 12, 2.0, null));
        assertThat(Qwen2VlConfig.read(golden("flat-tied"), null, new Warnings())
                        .preprocessing()
                        .video())
                .isEqualTo(new Qwen2VlPreprocessing.Video(1568, 9408, null, 4, 768, null, null));
        copy("half-merged");
        change("processor_config.json", "video_processor", JSON.missingNode());
        assertThat(Qwen2VlConfig.read(checkpoint, null, new Warnings())
                        .preprocessing()
                        .video())
                .isEqualTo(new Qwen2VlPreprocessing.Video(100_352, 602_112, null, 4, 768, null, null));
    }

    @Test
    void oneEndTokenMayStandWithoutAList() throws IOException {
        copy("nested-untied");
        change("generation_config.json", "eos_token_id", JSON.readTree("434"));
        assertThat(Qwen2VlConfig.read(checkpoint, null, new Warnings())
                        .generation()
                        .eosTokenIds())
                .containsExactly(434);
    }
}
