package org.vlmserve.families.llava;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.families.backbone.VisionFeatures;
import org.vlmserve.families.checkpoint.CheckpointJson;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.families.prompt.ChatTemplate;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

class OriginalConfigTest {

    private static final Path GOLDEN =
            Goldens.find().checkpoint("llava_llama", "v1-shards").directory();
    private static final Path TOWER = GOLDEN.resolveSibling("tower");

    @TempDir
    private Path checkpoint;

    @BeforeEach
    void copyCheckpoint() throws IOException {
        try (Stream<Path> files = Files.list(GOLDEN)) {
            for (Path file :
                    files.filter(each -> !each.toString().endsWith(".bin")).toList()) {
                Files.copy(file, checkpoint.resolve(file.getFileName()));
            }
        }
    }

    private interface Change {
        void apply(ObjectNode json);
    }

    private void change(String name, Change change) throws IOException {
        Path file = checkpoint.resolve(name);
        ObjectNode json = (ObjectNode) JsonMapper.shared().readTree(Files.readAllBytes(file));
        change.apply(json);
        Files.write(file, JsonMapper.shared().writeValueAsBytes(json));
    }

    private OriginalConfig read() {
        return OriginalConfig.read(checkpoint, TOWER, null, new Warnings());
    }

    private void refuses(ErrorCode code, String... parts) {
        assertThatThrownBy(this::read)
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(code))
                .message()
                .contains(List.of(parts));
    }

    @Test
    void readsTheFlatConfiguration() {
        OriginalConfig config = read();
        assertThat(config.linearProjector()).isTrue();
        assertThat(config.ownTower()).isFalse();
        assertThat(config.features()).isEqualTo(new VisionFeatures(List.of(2), false));
        assertThat(config.decoder().hidden()).isEqualTo(64);
        assertThat(config.decoder().tied()).isFalse();
        assertThat(config.preprocessing().padToSquare()).isTrue();
        assertThat(config.prompt().beforeText()).containsExactly(1);
        assertThat(config.generation().eosTokenIds()).containsExactly(2);
    }

    @Test
    void knowsItsLayoutByContent() throws IOException {
        assertThat(OriginalConfig.reads(CheckpointJson.read(checkpoint.resolve("config.json"))))
                .isTrue();
        Path hub = Goldens.find().checkpoint("llava", "vicuna-hub").directory();
        assertThat(OriginalConfig.reads(CheckpointJson.read(hub.resolve("config.json"))))
                .isFalse();
        change("config.json", json -> json.put("model_type", "llama"));
        assertThat(OriginalConfig.reads(CheckpointJson.read(checkpoint.resolve("config.json"))))
                .isFalse();
    }

    @Test
    void omittedKeysHaveTheOriginalsDefaults() throws IOException {
        change(
                "config.json",
                json -> json.remove(
                        List.of("image_aspect_ratio", "mm_use_im_start_end", "eos_token_id", "pad_token_id")));
        Files.delete(checkpoint.resolve("generation_config.json"));
        Files.delete(checkpoint.resolve("tokenizer_config.json"));
        Files.delete(checkpoint.resolve("special_tokens_map.json"));
        OriginalConfig config = read();
        assertThat(config.preprocessing().padToSquare()).isFalse();
        assertThat(config.prompt().specialTokens())
                .containsEntry("image_token", "<image>")
                .containsEntry("bos_token", "<s>")
                .containsEntry("eos_token", "</s>");
        assertThat(config.prompt().beforeText()).containsExactly(1);
        assertThat(config.generation().eosTokenIds()).containsExactly(2);
    }

    @Test
    void layersAndRowsOfTheTowerAreChosen() throws IOException {
        change(
                "config.json",
                json -> json.put("mm_vision_select_layer", 1).put("mm_vision_select_feature", "cls_patch"));
        assertThat(read().features()).isEqualTo(new VisionFeatures(List.of(1), true));
        assertThat(read().preprocessing().rows()).isEqualTo(17);
        change("config.json", json -> json.put("mm_vision_select_layer", -5));
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, "'mm_vision_select_layer' is -5", "a tower that has 3");
        change("config.json", json -> json.remove("mm_vision_select_layer"));
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, "'mm_vision_select_layer' is absent");
    }

    @Test
    void refusesWhatIsNotBuilt() throws IOException {
        change("config.json", json -> json.put("image_aspect_ratio", "anyres"));
        refuses(ErrorCode.CHECKPOINT_UNSUPPORTED, "'image_aspect_ratio' is \"anyres\"", "pad, square or none");
        change("config.json", json -> json.put("image_aspect_ratio", "pad").put("mm_projector_type", "identity"));
        refuses(ErrorCode.CHECKPOINT_UNSUPPORTED, "'mm_projector_type' is \"identity\"", "linear, mlp2x_gelu");
        change("config.json", json -> json.put("mm_projector_type", "mlp2x_gelu"));
        assertThat(read().linearProjector()).isFalse();
        change("config.json", json -> json.put("mm_vision_select_feature", "cls"));
        refuses(ErrorCode.CHECKPOINT_UNSUPPORTED, "'mm_vision_select_feature' is \"cls\"");
        change("config.json", json -> json.remove("mm_vision_select_feature"));
        change("config.json", json -> json.putObject("quantization_config"));
        refuses(ErrorCode.CHECKPOINT_UNSUPPORTED, "quantization_config");
        change("config.json", json -> json.remove("quantization_config"));
        change("tokenizer_config.json", json -> json.put("add_eos_token", true));
        refuses(ErrorCode.CHECKPOINT_UNSUPPORTED, "add_eos_token");
    }

    @Test
    void aCheckpointWithoutATokenizerIsNamed() throws IOException {
        Files.delete(checkpoint.resolve("tokenizer.model"));
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, "there is no tokenizer", "tokenizer.json or tokenizer.model");
    }

    /** As the original does when it loads a checkpoint whose tokenizer lacks them. */
    @Test
    void startAndEndTokensAreAddedWhereTheVocabularyHasRows() throws IOException {
        change("config.json", json -> json.put("mm_use_im_start_end", true).put("vocab_size", 523));
        OriginalConfig config = read();
        assertThat(ids(config))
                .containsEntry("<im_patch>", 520)
                .containsEntry("<im_start>", 521)
                .containsEntry("<im_end>", 522);
        assertThat(config.prompt().specialTokens()).containsEntry("image_token", "<im_start><image><im_end>");
        change("config.json", json -> json.put("mm_use_im_patch_token", false));
        assertThat(ids(read())).doesNotContainKey("<im_patch>").containsEntry("<im_start>", 520);
        change("config.json", json -> json.put("vocab_size", 521));
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, "'vocab_size' is 521", "a row for <im_end> behind all others");
    }

    @Test
    void tokensWithoutARowInTheEmbeddingTableAreLeftOut() throws IOException {
        Files.writeString(checkpoint.resolve("added_tokens.json"), "{\"<in>\": 520, \"<out>\": 521}");
        assertThat(ids(read())).containsEntry("<in>", 520).doesNotContainKey("<out>");
    }

    @Test
    void aTowerInsideTheCheckpointNeedsNoOption() throws IOException {
        change("config.json", json -> json.put("mm_vision_tower", "vision-tower"));
        Path inside = Files.createDirectory(checkpoint.resolve("vision-tower"));
        for (String name : List.of("config.json", "preprocessor_config.json")) {
            Files.copy(TOWER.resolve(name), inside.resolve(name));
        }
        assertThat(OriginalConfig.read(checkpoint, null, null, new Warnings()).towerDirectory())
                .isEqualTo(inside);
        change(
                "config.json",
                json -> json.put("mm_vision_tower", "../" + checkpoint.getFileName() + "/vision-tower/../.."));
        assertThatThrownBy(() -> OriginalConfig.read(checkpoint, null, null, new Warnings()))
                .isInstanceOf(VlmException.class)
                .hasMessageContaining("--vision-tower DIR");
    }

    @Test
    void aNamedTokenThatTheTokenizerLacksIsNone() throws IOException {
        Files.write(checkpoint.resolve("tokenizer.json"), read().tokenizer().content());
        change(
                "tokenizer_config.json",
                json -> json.put("add_bos_token", true).put("tokenizer_class", "PreTrainedTokenizerFast"));
        Files.delete(checkpoint.resolve("special_tokens_map.json"));
        Files.writeString(
                checkpoint.resolve("tokenizer.json"),
                Files.readString(checkpoint.resolve("tokenizer.json")).replace("\"<s>\"", "\"<begin>\""));
        OriginalConfig config = read();
        assertThat(config.prompt().specialTokens())
                .doesNotContainKey("bos_token")
                .containsKey("eos_token");
        assertThat(config.prompt().beforeText()).isEmpty();
    }

    @Test
    void aTemplateThatIsGivenComesBeforeTheCheckpointsAndThatBeforeTheConversation() throws IOException {
        assertThat(read().chatTemplate()).contains("A chat between a curious user");
        Files.writeString(checkpoint.resolve("chat_template.jinja"), "own");
        assertThat(read().chatTemplate()).isEqualTo("own");
        Path given = Files.writeString(checkpoint.resolve("given.jinja"), "given");
        assertThat(OriginalConfig.read(checkpoint, TOWER, given, new Warnings()).chatTemplate())
                .isEqualTo("given");
    }

    @Test
    void nothingStandsBeforeTheTextWhereTheTokenizerSaysSo() throws IOException {
        change("tokenizer_config.json", json -> json.put("add_bos_token", false));
        assertThat(read().prompt().beforeText()).isEmpty();
    }

    @Test
    void theConversationRefusesOtherRoles() {
        OriginalConfig config = read();
        ChatTemplate template =
                new ChatTemplate(config.chatTemplate(), config.prompt().specialTokens());
        assertThatThrownBy(() -> template.render(
                        List.of(Map.of("role", "tool", "content", List.of(Map.of("type", "text", "text", "x")))),
                        Map.of()))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.PROMPT_UNSUPPORTED))
                .hasMessageContaining("the role 'tool'");
    }

    private static Map<String, Integer> ids(OriginalConfig config) {
        Map<String, Integer> ids = new TreeMap<>();
        for (JsonNode token : config.tokenizer().tokenizer().path("added_tokens")) {
            ids.put(token.path("content").asString(), token.path("id").asInt());
        }
        return ids;
    }
}
