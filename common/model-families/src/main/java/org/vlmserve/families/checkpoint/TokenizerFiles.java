package org.vlmserve.families.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.vlmserve.families.prompt.HuggingFaceTokenizerFile;
import org.vlmserve.families.prompt.PlaceholderPrompt;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * A checkpoint's tokenizer as the reference loads it: {@code tokenizer.json}, rebuilt where the class that it takes does so
 * ({@link TokenizerRecipe}), with the tokens that the checkpoint's other files add. What comes out is a {@code tokenizer.json} that says all
 * of it, so that whoever reads a bundle knows no classes.
 */
public final class TokenizerFiles {

    /** The model of a checkpoint that has no {@code tokenizer.json}. */
    public static final String SENTENCE_PIECE = SentencePieceConverter.MODEL;

    private static final int BYTES = 256;

    private final Path file;
    private final ObjectNode tokenizer;
    private final AddedVocabulary added;
    private final Map<String, String> special;
    private final List<Integer> before = new ArrayList<>();
    private final List<Integer> after = new ArrayList<>();

    private TokenizerFiles(Path file, ObjectNode tokenizer, AddedVocabulary added, Map<String, String> special) {
        this.file = file;
        this.tokenizer = tokenizer;
        this.added = added;
        this.special = special;
    }

    /**
     * @param config the checkpoint's {@code config.json}
     * @param modelType by which the reference looks for the tokenizer's class; empty for a model that it does not know
     * @param rows of the embedding table that are tokens
     * @param processors tokens that the family's processor adds when it takes the tokenizer
     * @param warnings is told of tokens that the model has no row for
     * @throws VlmException {@code CHECKPOINT_UNREADABLE} if a file is missing or malformed, {@code CHECKPOINT_UNSUPPORTED} for a
     *     tokenizer that is not built here
     */
    public static TokenizerFiles read(
            Path checkpoint,
            CheckpointJson config,
            String modelType,
            int rows,
            List<AddedToken> processors,
            Warnings warnings) {
        Path file = checkpoint.resolve("tokenizer.json");
        if (!Files.isRegularFile(file)) {
            throw new VlmException(
                    ErrorCode.CHECKPOINT_UNREADABLE,
                    file + ": there is no such file; save the tokenizer again with a fast tokenizer");
        }
        CheckpointJson json = CheckpointJson.read(file);
        CheckpointJson settings = CheckpointJson.readIfPresent(checkpoint.resolve("tokenizer_config.json"));
        if (settings != null) {
            check(settings);
        }
        if (!json.object("model").string("type", "BPE").equals("BPE")) {
            throw json.object("model").unsupported("type", "BPE");
        }
        if (!json.node("model").path("vocab").isObject()) {
            throw json.unreadable("model", "a model with a vocabulary, from token to id");
        }
        if (!json.node("added_tokens").isArray()) {
            throw json.unreadable("added_tokens", "a list of tokens");
        }
        TokenizerRecipe recipe = TokenizerRecipe.of(config, settings, modelType);
        SpecialTokens special = SpecialTokens.read(checkpoint, settings, json, recipe.defaultTokens());
        AddedVocabulary added = new AddedVocabulary(json.node("model").path("vocab"));
        if (!recipe.isRebuilt()) {
            for (JsonNode token : json.node("added_tokens")) {
                added.add(AddedToken.read(json, "added_tokens", token));
            }
        }
        special.addTo(added, recipe.plainSpecialTokens());
        ObjectNode rebuilt = json.copy();
        recipe.rebuild(rebuilt, settings, special.texts());
        TokenizerFiles files = new TokenizerFiles(file, rebuilt, added, special.texts());
        files.postProcessor(json, json.node("post_processor"));
        files.finish(rows, processors, warnings);
        return files;
    }

    /**
     * The tokenizer of a checkpoint that has a SentencePiece model only.
     *
     * @see #read
     */
    public static TokenizerFiles convert(
            Path checkpoint, CheckpointJson config, int rows, List<AddedToken> processors, Warnings warnings) {
        CheckpointJson settings = CheckpointJson.readIfPresent(checkpoint.resolve("tokenizer_config.json"));
        if (settings != null) {
            check(settings);
        }
        SentencePieceConverter.Converted converted = SentencePieceConverter.convert(checkpoint, config, settings);
        TokenizerFiles files = new TokenizerFiles(
                checkpoint.resolve(SentencePieceConverter.MODEL),
                converted.tokenizer(),
                converted.added(),
                converted.special());
        files.finish(rows, processors, warnings);
        return files;
    }

    private static void check(CheckpointJson settings) {
        if (settings.booleanValue("split_special_tokens", false)) {
            // The reference itself finds no picture's place in a prompt then.
            throw settings.unsupported("split_special_tokens", "false");
        }
        for (JsonNode name : settings.node("fast_tokenizer_files")) {
            if (!name.asString("").equals("tokenizer.json")) {
                throw settings.unsupported("fast_tokenizer_files", "tokenizer.json alone");
            }
        }
    }

    private void finish(int rows, List<AddedToken> processors, Warnings warnings) {
        processors.forEach(added::add);
        List<String> lost = added.removeFrom(rows);
        if (!lost.isEmpty()) {
            warnings.add(file.getFileName() + ": " + lost.size()
                    + " added tokens have no row in the embedding table of " + rows + ", such as '" + lost.getFirst()
                    + "'; in a prompt they are read as any other text");
        }
        tokenizer.putNull("truncation");
        tokenizer.putNull("padding");
        tokenizer.putNull("post_processor");
        tokenizer.set("added_tokens", added.toJson());
        checkUnknown();
        try {
            // As every decoder will load it: what the library refuses must fail here.
            new HuggingFaceTokenizerFile(file, tokenizer);
        } catch (VlmException e) {
            throw new VlmException(ErrorCode.CHECKPOINT_UNSUPPORTED, String.valueOf(e.getMessage()), e);
        }
    }

    /** A model without all bytes needs its unknown token; the library would find out in the middle of a prompt. */
    private void checkUnknown() {
        JsonNode model = tokenizer.path("model");
        JsonNode vocabulary = model.path("vocab");
        String unknown = model.path("unk_token").asString("");
        if (unknown.isEmpty() || vocabulary.has(unknown)) {
            return;
        }
        for (int b = 0; b < BYTES; b++) {
            if (!model.path("byte_fallback").asBoolean(false) || !vocabulary.has("<0x%02X>".formatted(b))) {
                throw new VlmException(
                        ErrorCode.CHECKPOINT_UNREADABLE,
                        file + ": the vocabulary lacks the unknown token, '" + unknown
                                + "', and tokens for bytes; is tokenizer_class the right one?");
            }
        }
    }

    /** The tokenizer for a bundle. */
    public ObjectNode tokenizer() {
        return tokenizer;
    }

    /** Its bytes, for {@code tokenizer/tokenizer.json}. */
    public byte[] content() {
        return JsonMapper.shared().writeValueAsBytes(tokenizer);
    }

    /** The named tokens, such as {@code eos_token}, which chat templates see. */
    public Map<String, String> special() {
        return special;
    }

    /** Ids that the tokenizer puts before a text. */
    public List<Integer> before() {
        return List.copyOf(before);
    }

    /** Ids that the tokenizer puts behind a text. */
    public List<Integer> after() {
        return List.copyOf(after);
    }

    /** The token's id, or −1. */
    public int idOf(String content) {
        return added.idOf(content);
    }

    /**
     * The numbers of a prompt whose placeholder has this id.
     *
     * @param owner the object that names the id, for the error
     * @param key the key under which it does
     */
    public PlaceholderPrompt prompt(CheckpointJson owner, String key, int imageTokenId) {
        return new PlaceholderPrompt(addedToken(owner, key, imageTokenId), imageTokenId, before(), after(), special);
    }

    /**
     * The text of an added token.
     *
     * @param owner the object that names the id, for the error
     * @param key the key under which it does
     */
    public String addedToken(CheckpointJson owner, String key, int id) {
        for (JsonNode token : tokenizer.path("added_tokens")) {
            if (token.path("id").asInt(-1) == id) {
                return token.path("content").asString();
            }
        }
        throw owner.unreadable(key, "the id of one of the added tokens of " + file);
    }

    private void postProcessor(CheckpointJson json, JsonNode processor) {
        switch (processor.path("type").asString("")) {
            case "", "ByteLevel" -> {}
            case "Sequence" -> processor.path("processors").forEach(each -> postProcessor(json, each));
            case "RobertaProcessing", "BertProcessing" -> {
                before.add(processor.path("cls").path(1).asInt());
                after.add(processor.path("sep").path(1).asInt());
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
                        side.add(id.asInt());
                    }
                }
            }
            default ->
                throw json.unsupported(
                        "post_processor", "TemplateProcessing, RobertaProcessing, BertProcessing, ByteLevel or none");
        }
    }
}
