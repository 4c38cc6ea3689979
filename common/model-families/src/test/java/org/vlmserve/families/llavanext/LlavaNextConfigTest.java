package org.vlmserve.families.llavanext;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vlmserve.families.EditedCheckpoint;
import org.vlmserve.families.backbone.LlamaDecoder;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.families.llavanext.LlavaNextPreprocessing.Pinpoint;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.testing.Goldens;

class LlavaNextConfigTest {

    @TempDir
    private Path directory;

    private static LlavaNextConfig golden(String name) {
        return LlavaNextConfig.read(
                Goldens.find().checkpoint("llava_next", name).directory(), null, new Warnings());
    }

    private EditedCheckpoint copy(String name) {
        return EditedCheckpoint.copy("llava_next", name, directory);
    }

    private LlamaDecoder decoder() {
        return LlavaNextConfig.read(directory, null, new Warnings()).parts().decoder();
    }

    @Test
    void readsPinpointsAndDecoders() {
        LlavaNextConfig vicuna = golden("vicuna-tiles");
        assertThat(vicuna.preprocessing().tileSize()).isEqualTo(28);
        assertThat(vicuna.preprocessing().patchSize()).isEqualTo(7);
        assertThat(vicuna.preprocessing().pinpoints())
                .containsExactly(
                        new Pinpoint(28, 56),
                        new Pinpoint(56, 28),
                        new Pinpoint(56, 56),
                        new Pinpoint(84, 28),
                        new Pinpoint(28, 84));
        LlavaNextConfig mistral = golden("mistral-saved");
        assertThat(mistral.parts().decoder().kvHeads()).isEqualTo(2);
        assertThat(mistral.parts().decoder().rotary().theta()).isEqualTo(1_000_000);
        assertThat(mistral.parts().decoder().slidingWindow()).isNull();
        assertThat(golden("mistral-window").parts().decoder().slidingWindow()).isEqualTo(24);
        assertThat(golden("mistral-window").parts().features().layers()).containsExactly(2, 1);
    }

    /** The newline is a row of the embedding table that is no token. */
    @Test
    void theNewlineStandsBehindTheVocabulary() {
        LlavaNextConfig config = golden("vicuna-tiles");
        var decoder = config.manifest("fp32", Instant.EPOCH, DType.BF16).decoder();
        assertThat(decoder.embeddingRows()).isEqualTo(decoder.vocabulary() + 1);
    }

    @Test
    void aMistralsOmittedKeysTakeItsOwnDefaults() {
        EditedCheckpoint checkpoint = copy("mistral-saved");
        checkpoint.set("config.json", "text_config", "{\"model_type\": \"mistral\"}");
        LlamaDecoder decoder = decoder();
        assertThat(decoder.intermediate()).isEqualTo(14336);
        assertThat(decoder.kvHeads()).isEqualTo(8);
        assertThat(decoder.contextLength()).isEqualTo(131_072);
        assertThat(decoder.slidingWindow()).isEqualTo(4096);
        checkpoint.set("config.json", "text_config/num_key_value_heads", "null");
        checkpoint.set("config.json", "text_config/sliding_window", "null");
        assertThat(decoder().kvHeads()).isEqualTo(32);
        assertThat(decoder().slidingWindow()).isNull();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "config.json | model_type | \"llava\" | CHECKPOINT_UNSUPPORTED",
                "config.json | vision_feature_select_strategy | \"full\" | CHECKPOINT_UNSUPPORTED",
                "config.json | image_grid_pinpoints | [[28, 56]] | CHECKPOINT_UNREADABLE",
                "config.json | image_grid_pinpoints | [] | CHECKPOINT_UNREADABLE",
                "config.json | image_grid_pinpoints | [[28, 57]] | CHECKPOINT_UNREADABLE",
                "config.json | image_grid_pinpoints | 28 | CHECKPOINT_UNREADABLE",
                "preprocessor_config.json | image_grid_pinpoints | [[28, 0]] | CHECKPOINT_UNREADABLE",
                "preprocessor_config.json | size | {\"shortest_edge\": 35} | CHECKPOINT_UNREADABLE",
                "preprocessor_config.json | crop_size | 35 | CHECKPOINT_UNREADABLE",
                "preprocessor_config.json | do_rescale | false | CHECKPOINT_UNSUPPORTED",
                "preprocessor_config.json | image_processor_type | \"CLIPImageProcessor\" | CHECKPOINT_UNSUPPORTED",
            })
    void anErrorNamesFileAndKey(String file, String pointer, String value, ErrorCode code) {
        copy("vicuna-tiles").set(file, pointer, value);
        assertThatThrownBy(() -> LlavaNextConfig.read(directory, null, new Warnings()))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(code))
                .hasMessageContaining(directory.resolve(file).toString())
                .hasMessageContaining("'" + pointer.replace('/', '.') + "'");
    }
}
