package org.vlmserve.families.llava;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vlmserve.families.EditedCheckpoint;
import org.vlmserve.families.backbone.ClipTower;
import org.vlmserve.families.backbone.LlamaDecoder;
import org.vlmserve.families.backbone.MlpProjector;
import org.vlmserve.families.backbone.RotaryScaling;
import org.vlmserve.families.backbone.VisionFeatures;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

class LlavaConfigTest {

    @TempDir
    private Path directory;

    private static LlavaConfig golden(String name) {
        return LlavaConfig.read(Goldens.find().checkpoint("llava", name).directory(), null, new Warnings());
    }

    private EditedCheckpoint copy(String name) {
        return EditedCheckpoint.copy("llava", name, directory);
    }

    private LlavaConfig read() {
        return LlavaConfig.read(directory, null, new Warnings());
    }

    @Test
    void readsTheLayoutOfTheHub() {
        LlavaConfig config = golden("vicuna-hub");
        assertThat(config.parts().tower()).isEqualTo(new ClipTower(32, 64, 3, 2, 56, 14, 1e-5, "quick_gelu"));
        assertThat(config.parts().features()).isEqualTo(new VisionFeatures(List.of(2), false));
        assertThat(config.parts().projector()).isEqualTo(new MlpProjector("gelu", true));
        LlamaDecoder decoder = config.parts().decoder();
        assertThat(decoder.kvHeads()).isEqualTo(4);
        assertThat(decoder.headDim()).isEqualTo(16);
        assertThat(decoder.rmsNormEps()).isEqualTo(1e-5);
        assertThat(decoder.rotary().theta()).isEqualTo(10_000);
        assertThat(decoder.slidingWindow()).isNull();
        assertThat(decoder.tied()).isFalse();
        assertThat(config.preprocessing().padToSquare()).isFalse();
        assertThat(config.preprocessing().shortestEdge()).isEqualTo(56);
        assertThat(config.preprocessing().rows()).isEqualTo(16);
        assertThat(config.parts().prompt().imageToken()).isEqualTo("<image>");
        assertThat(config.parts().prompt().beforeText()).containsExactly(1);
        assertThat(config.parts().prompt().afterText()).isEmpty();
        assertThat(config.parts().generation().eosTokenIds()).containsExactly(2);
    }

    @Test
    void readsWhatTransformersSaves() {
        LlavaConfig config = golden("saved-sharded");
        assertThat(config.preprocessing().padToSquare()).isTrue();
        assertThat(config.parts().tower().hiddenAct()).isEqualTo("gelu");
        assertThat(config.parts().decoder().kvHeads()).isEqualTo(2);
        assertThat(config.parts().decoder().tied()).isTrue();
        assertThat(config.parts().decoder().rotary())
                .isEqualTo(new RotaryScaling(50_000, RotaryScaling.Kind.LINEAR, 2, 1, 1, 1));
    }

    @Test
    void readsSeveralLayersAndTheClassToken() {
        LlavaConfig config = golden("layers-full");
        assertThat(config.parts().features()).isEqualTo(new VisionFeatures(List.of(1, 2, 3), true));
        assertThat(config.parts().projector().bias()).isFalse();
        assertThat(config.preprocessing().rows()).isEqualTo(10);
        assertThat(config.parts().decoder().headDim()).isEqualTo(16);
        assertThat(config.parts().decoder().rotary().kind()).isEqualTo(RotaryScaling.Kind.LLAMA3);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "config.json | model_type | \"llama\" | CHECKPOINT_UNSUPPORTED",
                "config.json | quantization_config | {} | CHECKPOINT_UNSUPPORTED",
                "config.json | vision_feature_layer | 9 | CHECKPOINT_UNREADABLE",
                "config.json | vision_feature_select_strategy | \"cls\" | CHECKPOINT_UNSUPPORTED",
                "config.json | projector_hidden_act | \"relu\" | CHECKPOINT_UNSUPPORTED",
                "config.json | image_token_index | 3 | CHECKPOINT_UNREADABLE",
                "config.json | text_config/model_type | \"mpt\" | CHECKPOINT_UNSUPPORTED",
                "config.json | text_config/hidden_act | \"relu\" | CHECKPOINT_UNSUPPORTED",
                "config.json | text_config/attention_bias | true | CHECKPOINT_UNSUPPORTED",
                "config.json | text_config/num_key_value_heads | 3 | CHECKPOINT_UNREADABLE",
                "config.json | text_config/head_dim | 12 | CHECKPOINT_UNSUPPORTED",
                "config.json | vision_config/model_type | \"siglip_vision_model\" | CHECKPOINT_UNSUPPORTED",
                "config.json | vision_config/num_attention_heads | 3 | CHECKPOINT_UNREADABLE",
                "config.json | vision_config/image_size | 57 | CHECKPOINT_UNSUPPORTED",
                "preprocessor_config.json | crop_size | {\"height\": 28, \"width\": 56} | CHECKPOINT_UNREADABLE",
                "preprocessor_config.json | do_resize | false | CHECKPOINT_UNSUPPORTED",
                "preprocessor_config.json | do_center_crop | false | CHECKPOINT_UNSUPPORTED",
                "preprocessor_config.json | resample | 2 | CHECKPOINT_UNSUPPORTED",
                "preprocessor_config.json | image_std | [1, 0, 1] | CHECKPOINT_UNREADABLE",
                "preprocessor_config.json | image_processor_type | \"ViTImageProcessor\" | CHECKPOINT_UNSUPPORTED",
            })
    void anErrorNamesFileAndKey(String file, String pointer, String value, ErrorCode code) {
        copy("vicuna-hub").set(file, pointer, value);
        assertThatThrownBy(this::read)
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(code))
                .hasMessageContaining(directory.resolve(file).toString())
                .hasMessageContaining("'" + pointer.replace('/', '.') + "'");
    }

    @Test
    void aKindOfRotaryScalingThatIsNotBuiltIsNamed() {
        copy("vicuna-hub").set("config.json", "text_config/rope_scaling", "{\"type\": \"dynamic\", \"factor\": 2.0}");
        assertThatThrownBy(this::read)
                .hasMessageContaining("'text_config.rope_scaling.type' is \"dynamic\"")
                .hasMessageContaining("default, linear, llama3");
    }

    @ParameterizedTest
    @CsvSource({"config.json", "preprocessor_config.json", "tokenizer.json"})
    void aMissingFileIsNamed(String file) throws IOException {
        copy("vicuna-hub");
        Files.delete(directory.resolve(file));
        assertThatThrownBy(this::read)
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CHECKPOINT_UNREADABLE))
                .hasMessageContaining(directory.resolve(file).toString());
    }

    @Test
    void omittedKeysTakeTheClassesDefaults() throws IOException {
        EditedCheckpoint checkpoint = copy("vicuna-hub");
        checkpoint.set("config.json", "vision_config", "");
        checkpoint.set("config.json", "text_config", "");
        checkpoint.set("config.json", "vision_feature_layer", "");
        checkpoint.set("config.json", "vision_feature_select_strategy", "");
        checkpoint.set("config.json", "projector_hidden_act", "");
        checkpoint.set("preprocessor_config.json", "size", "336");
        checkpoint.set("preprocessor_config.json", "crop_size", "336");
        checkpoint.set("preprocessor_config.json", "image_mean", "");
        checkpoint.set("preprocessor_config.json", "rescale_factor", "");
        Files.delete(directory.resolve("generation_config.json"));
        LlavaConfig config = read();
        assertThat(config.parts().tower()).isEqualTo(new ClipTower(1024, 4096, 24, 16, 336, 14, 1e-5, "quick_gelu"));
        assertThat(config.parts().features()).isEqualTo(new VisionFeatures(List.of(23), false));
        assertThat(config.parts().projector()).isEqualTo(new MlpProjector("gelu", true));
        assertThat(config.parts().decoder())
                .isEqualTo(new LlamaDecoder(
                        4096,
                        11008,
                        32,
                        32,
                        32,
                        128,
                        32000,
                        2048,
                        1e-6,
                        new RotaryScaling(10_000, RotaryScaling.Kind.DEFAULT, 1, 1, 1, 1),
                        null,
                        false,
                        List.of(2)));
        assertThat(config.preprocessing().scale().imageMean()).containsExactly(0.48145466, 0.4578275, 0.40821073);
        assertThat(config.preprocessing().scale().rescaleFactor()).isEqualTo(1 / 255.0);
        assertThat(config.preprocessing().rows()).isEqualTo(576);
    }

    @Test
    void aTowersOmittedKeysAreTheSmallTowers() {
        copy("vicuna-hub")
                .set("config.json", "vision_config", "{}")
                .set("preprocessor_config.json", "size", "")
                .set("preprocessor_config.json", "crop_size", "");
        assertThat(read().parts().tower()).isEqualTo(new ClipTower(768, 3072, 12, 12, 224, 32, 1e-5, "quick_gelu"));
    }

    @Test
    void theProcessorsFileWinsOverThePreprocessors() throws IOException {
        copy("vicuna-hub");
        Files.writeString(
                directory.resolve("processor_config.json"),
                "{\"image_processor\": {\"image_processor_type\": \"LlavaImageProcessorFast\", \"do_pad\": true,"
                        + " \"size\": {\"height\": 56, \"width\": 56}, \"do_center_crop\": false}}");
        LlavaConfig config = read();
        assertThat(config.preprocessing().padToSquare()).isTrue();
        assertThat(config.preprocessing().shortestEdge()).isNull();
    }

    /** Beside a tokenizer.json neither key has an effect in the reference: the file's own post-processor counts. */
    @ParameterizedTest
    @CsvSource({"true, false", "false, true", "false, false", "'', true", "'', ''"})
    void whatStandsAroundATextFollowsTheTokenizersFile(String bos, String eos) throws IOException {
        copy("vicuna-hub")
                .set("tokenizer_config.json", "add_bos_token", bos)
                .set("tokenizer_config.json", "add_eos_token", eos);
        assertThat(read().parts().prompt().beforeText()).containsExactly(1);
        assertThat(read().parts().prompt().afterText()).isEmpty();
        Path file = directory.resolve("tokenizer.json");
        ObjectNode json = (ObjectNode) JsonMapper.shared().readTree(file);
        Files.writeString(file, json.putNull("post_processor").toString());
        assertThat(read().parts().prompt().beforeText()).isEmpty();
    }

    @Test
    void aChatTemplateMayBeGiven() throws IOException {
        copy("vicuna-hub");
        Path given = directory.resolve("mine.jinja");
        Files.writeString(given, "{{ messages }}");
        assertThat(LlavaConfig.read(directory, given, new Warnings()).parts().chatTemplate())
                .isEqualTo("{{ messages }}");
    }
}
