package org.vlmserve.families.paligemma;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vlmserve.families.EditedCheckpoint;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.testing.Goldens;

class PaliGemmaConfigTest {

    private static final String FAMILY = "paligemma";
    private static final String CONFIG = "config.json";

    @TempDir
    private Path checkpoint;

    private static PaliGemmaConfig golden(String name) {
        return PaliGemmaConfig.read(Goldens.find().checkpoint(FAMILY, name).directory(), new Warnings());
    }

    private PaliGemmaConfig edited(String name, String pointer, String value) {
        return PaliGemmaConfig.read(
                EditedCheckpoint.copy(FAMILY, name, checkpoint)
                        .set(CONFIG, pointer, value)
                        .directory(),
                new Warnings());
    }

    @Test
    void readsTheHubsTerseLayout() {
        PaliGemmaConfig config = golden("hub-multi-query");
        assertThat(config.vision())
                .isEqualTo(new PaliGemmaConfig.Vision(48, 80, 2, 3, 56, 14, 1e-6, "gelu_pytorch_tanh"));
        PaliGemmaConfig.Text text = config.text();
        assertThat(text.headDim()).isEqualTo(256);
        assertThat(text.heads()).isEqualTo(2);
        assertThat(text.kvHeads()).isEqualTo(1);
        assertThat(text.contextLength()).isEqualTo(8192);
        assertThat(text.ropeTheta()).isEqualTo(10_000);
        assertThat(text.attentionScale()).isEqualTo(1 / 16.0);
        assertThat(text.attentionSoftcap()).isZero();
        assertThat(text.windows()).containsExactly(0, 0);
        assertThat(text.sandwichNorms()).isFalse();
        assertThat(text.tied()).isTrue();
        assertThat(text.embeddingScale()).isEqualTo((float) Math.sqrt(48));
        assertThat(config.prompt().imageToken()).isEqualTo("<image>");
        assertThat(config.prompt().beginToken()).isEqualTo("<bos>");
        assertThat(config.generation().eosTokenIds()).containsExactly(1);
        assertThat(config.preprocessing())
                .isEqualTo(
                        new PaliGemmaPreprocessing(56, 14, 1 / 255.0, List.of(0.5, 0.5, 0.5), List.of(0.5, 0.5, 0.5)));
    }

    @Test
    void gemmasGeluIsTheTanhForm() {
        assertThat(golden("hub-multi-query").text().hiddenAct()).isEqualTo("gelu_pytorch_tanh");
        assertThat(edited("gemma2-untied", "text_config/hidden_activation", "\"gelu\"")
                        .text()
                        .hiddenAct())
                .isEqualTo("gelu");
    }

    @Test
    void readsTheSecondGeneration() {
        PaliGemmaConfig.Text capped = golden("gemma2-capped").text();
        assertThat(capped.sandwichNorms()).isTrue();
        assertThat(capped.attentionScale()).isEqualTo(1 / Math.sqrt(20));
        assertThat(capped.attentionSoftcap()).isEqualTo(4);
        assertThat(capped.windows()).containsExactly(16, 0, 16);
        PaliGemmaConfig.Text untied = golden("gemma2-untied").text();
        assertThat(untied.attentionSoftcap()).isZero();
        assertThat(untied.windows()).containsExactly(0, 4096);
        assertThat(untied.tied()).isFalse();
    }

    @Test
    void aWindowAsLongAsTheContextIsNone() {
        assertThat(edited("gemma2-untied", "text_config/max_position_embeddings", "4096")
                        .text()
                        .windows())
                .containsExactly(0, 0);
    }

    @Test
    void omittedKeysHaveTheClassesDefaults() {
        EditedCheckpoint edited = EditedCheckpoint.copy(FAMILY, "gemma2-capped", checkpoint);
        for (String key : List.of(
                "attn_logit_softcapping", "query_pre_attn_scalar", "sliding_window", "layer_types", "head_dim")) {
            edited.set(CONFIG, "text_config/" + key, "");
        }
        PaliGemmaConfig.Text text =
                PaliGemmaConfig.read(checkpoint, new Warnings()).text();
        assertThat(text.attentionSoftcap()).isEqualTo(50);
        assertThat(text.attentionScale()).isEqualTo(1 / 16.0);
        assertThat(text.headDim()).isEqualTo(256);
        assertThat(text.windows()).containsExactly(4096, 0, 4096);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    text_config/model_type           | "gemma3_text"            | gemma, gemma2
                    text_config/attention_bias       | true                     | false
                    text_config/rope_scaling         | {"rope_type": "linear"}  | default
                    text_config/hidden_act           | "relu"                   | gelu
                    text_config/head_dim             | 20                       | a multiple of 8
                    vision_config/model_type         | "clip_vision_model"      | siglip_vision_model
                    vision_config/image_size         | 60                       | a multiple of patch_size
                    quantization_config              | {"bits": 4}              | bf16, fp16 or fp32
                    """)
    void whatIsNotBuiltIsRefused(String pointer, String value, String expected) {
        refused(ErrorCode.CHECKPOINT_UNSUPPORTED, pointer, value, expected);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    projection_dim                       | 64     | the text model's hidden_size, 48
                    image_token_index                    | 9999   | one of the added tokens
                    text_config/num_key_value_heads      | 3      | a divisor of num_attention_heads, 2
                    vision_config/image_size             | 112    | the vision encoder's image_size, 112
                    vision_config/num_attention_heads    | 5      | a divisor of hidden_size, 48
                    """)
    void whatContradictsItselfIsRefused(String pointer, String value, String expected) {
        refused(ErrorCode.CHECKPOINT_UNREADABLE, pointer, value, expected);
    }

    private void refused(ErrorCode code, String pointer, String value, String expected) {
        assertThatThrownBy(() -> edited("hub-multi-query", pointer, value))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(code))
                .hasMessageContaining(expected);
    }
}
