package org.vlmserve.families.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.prompt.PlaceholderPrompt;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.databind.JsonNode;

/**
 * A checkpoint's {@code tokenizer.json} and {@code tokenizer_config.json}, where the reference takes the first as it is:
 * transformers 5.18, {@code TokenizersBackend} in {@code tokenization_utils_tokenizers.py}.
 */
public final class TokenizerFiles {

    private final Path file;
    private final Path configFile;
    private final CheckpointJson tokenizer;
    private final @Nullable CheckpointJson config;

    private TokenizerFiles(Path file, Path configFile) {
        this.file = file;
        this.configFile = configFile;
        this.tokenizer = CheckpointJson.read(file);
        this.config = CheckpointJson.readIfPresent(configFile);
    }

    /** @throws VlmException {@code CHECKPOINT_UNREADABLE} if there is no {@code tokenizer.json} */
    public static TokenizerFiles read(Path checkpoint) {
        Path file = checkpoint.resolve("tokenizer.json");
        if (!Files.isRegularFile(file)) {
            throw new VlmException(
                    ErrorCode.CHECKPOINT_UNREADABLE,
                    file + ": there is no such file; save the tokenizer again with a fast tokenizer");
        }
        return new TokenizerFiles(file, checkpoint.resolve("tokenizer_config.json"));
    }

    /** What belongs into a bundle's {@code tokenizer/}. */
    public List<Path> paths() {
        return config == null ? List.of(file) : List.of(file, configFile);
    }

    /**
     * The numbers of a prompt whose placeholder has this id.
     *
     * @param owner the object that names the id, for the error
     * @param key the key under which it does
     */
    public PlaceholderPrompt prompt(CheckpointJson owner, String key, int imageTokenId) {
        Map<String, String> special = SpecialTokens.read(config, Map.of());
        List<Integer> before = new ArrayList<>();
        List<Integer> after = new ArrayList<>();
        if (config != null && (config.has("add_bos_token") || config.has("add_eos_token"))) {
            // Either key makes the reference replace the file's post-processor.
            add(before, config.booleanValue("add_bos_token", false), special.get("bos_token"));
            add(after, config.booleanValue("add_eos_token", false), special.get("eos_token"));
        } else {
            postProcessor(tokenizer.node("post_processor"), before, after);
        }
        return new PlaceholderPrompt(token(owner, key, imageTokenId), imageTokenId, before, after, special);
    }

    private void add(List<Integer> ids, boolean wanted, @Nullable String token) {
        if (wanted && token != null) {
            ids.add(idOf(token));
        }
    }

    private void postProcessor(JsonNode processor, List<Integer> before, List<Integer> after) {
        switch (processor.path("type").asString("")) {
            case "", "ByteLevel" -> {}
            case "Sequence" -> {
                for (JsonNode each : processor.path("processors")) {
                    postProcessor(each, before, after);
                }
            }
            case "TemplateProcessing" -> {
                List<Integer> side = before;
                for (JsonNode piece : processor.path("single")) {
                    if (piece.has("Sequence")) {
                        side = after;
                        continue;
                    }
                    String name = piece.path("SpecialToken").path("id").asString("");
                    for (JsonNode id :
                            processor.path("special_tokens").path(name).path("ids")) {
                        if (!id.isInt()) {
                            throw tokenizer.unreadable("post_processor", "whole numbers as the ids of special tokens");
                        }
                        side.add(id.intValue());
                    }
                }
            }
            default -> throw tokenizer.unsupported("post_processor", "TemplateProcessing, ByteLevel or none");
        }
    }

    private String token(CheckpointJson owner, String key, int id) {
        for (CheckpointJson token : tokenizer.objects("added_tokens")) {
            if (token.requireInt("id") == id) {
                return token.string("content", "");
            }
        }
        throw owner.unreadable(key, "the id of one of the added tokens of " + file);
    }

    private int idOf(String content) {
        for (CheckpointJson token : tokenizer.objects("added_tokens")) {
            if (token.string("content", "").equals(content)) {
                return token.requireInt("id");
            }
        }
        JsonNode id = tokenizer.node("model").path("vocab").path(content);
        if (!id.isInt()) {
            throw new VlmException(
                    ErrorCode.CHECKPOINT_UNREADABLE,
                    file + ": there is no token '" + content + "', which tokenizer_config.json puts around texts");
        }
        return id.intValue();
    }
}
