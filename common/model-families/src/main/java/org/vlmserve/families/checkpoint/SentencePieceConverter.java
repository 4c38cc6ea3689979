package org.vlmserve.families.checkpoint;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.checkpoint.SentencePieceModel.Piece;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Makes the {@code tokenizer.json} of a checkpoint that has only a SentencePiece {@code tokenizer.model}, as Llama's tokenizer class does
 * when it loads such a checkpoint: BPE with byte fallback, where a space is the piece "▁". What SentencePiece calls merging the two
 * pieces whose join has the best score becomes a list of merges, since better scores have smaller ids. Added tokens come from
 * tokenizer_config.json, special_tokens_map.json and added_tokens.json. {@code legacy} decides whether a text that follows a special token
 * gets a "▁" in front too. Which tokens stand around a prompt is not written down: that is for the family.
 *
 * <p>Reference: transformers 5.18, {@code LlamaTokenizer}, {@code SentencePieceExtractor}, {@code TokenizersBackend.__init__} and
 * {@code PreTrainedTokenizerBase._from_pretrained}.
 */
public final class SentencePieceConverter {

    /** The file that is converted. */
    public static final String MODEL = "tokenizer.model";

    private static final JsonMapper JSON = JsonMapper.shared();

    /** Named tokens in the order in which they are added where the vocabulary lacks them. */
    private static final List<String> NAMES =
            List.of("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token");

    private static final Map<String, String> DEFAULTS =
            Map.of("bos_token", "<s>", "eos_token", "</s>", "unk_token", "<unk>");

    /** A token that is found in a text before the text is split. */
    private record AddedToken(
            String content, boolean singleWord, boolean lstrip, boolean rstrip, boolean normalized, boolean special) {

        static AddedToken special(String content) {
            return new AddedToken(content, false, false, false, false, true);
        }
    }

    private final Path checkpoint;
    private final List<Piece> pieces;
    private final @Nullable CheckpointJson config;
    private final Map<String, AddedToken> added = new LinkedHashMap<>();

    private SentencePieceConverter(Path checkpoint) {
        this.checkpoint = checkpoint;
        this.pieces = SentencePieceModel.read(checkpoint.resolve(MODEL)).pieces();
        this.config = CheckpointJson.readIfPresent(checkpoint.resolve("tokenizer_config.json"));
    }

    /**
     * Reads a checkpoint's tokenizer.
     *
     * @param checkpoint a directory with {@value #MODEL}
     * @return a tokenizer file for the tokenizers library
     * @throws VlmException {@code CHECKPOINT_UNREADABLE} for a file that is damaged, {@code CHECKPOINT_UNSUPPORTED} for a model that is
     *     no BPE in the order of its scores
     */
    public static ObjectNode convert(Path checkpoint) {
        return new SentencePieceConverter(checkpoint).convert();
    }

    private ObjectNode convert() {
        boolean prefix = config == null || config.booleanValue("add_prefix_space", true);
        boolean legacy = config != null && config.booleanValue("legacy", false);
        ObjectNode root = JSON.createObjectNode();
        root.put("version", "1.0");
        root.putNull("truncation");
        root.putNull("padding");
        ObjectNode model = model();
        root.set("added_tokens", addedTokens(model.path("vocab")));
        root.putNull("normalizer");
        root.putObject("pre_tokenizer")
                .put("type", "Metaspace")
                .put("replacement", "▁")
                .put("prepend_scheme", !prefix ? "never" : legacy ? "always" : "first")
                .put("split", false);
        root.putNull("post_processor");
        ArrayNode decoders = root.putObject("decoder").put("type", "Sequence").putArray("decoders");
        decoders.addObject()
                .put("type", "Replace")
                .put("content", " ")
                .putObject("pattern")
                .put("String", "▁");
        decoders.addObject().put("type", "ByteFallback");
        decoders.addObject().put("type", "Fuse");
        if (prefix) {
            decoders.addObject()
                    .put("type", "Strip")
                    .put("content", " ")
                    .put("start", 1)
                    .put("stop", 0);
        }
        root.set("model", model);
        return root;
    }

    private ObjectNode model() {
        ObjectNode model = JSON.createObjectNode();
        model.put("type", "BPE");
        model.putNull("dropout");
        model.putNull("unk_token");
        model.putNull("continuing_subword_prefix");
        model.putNull("end_of_word_suffix");
        model.put("fuse_unk", true);
        model.put("byte_fallback", true);
        model.put("ignore_merges", false);
        ObjectNode vocabulary = model.putObject("vocab");
        float last = Float.POSITIVE_INFINITY;
        for (int id = 0; id < pieces.size(); id++) {
            Piece piece = pieces.get(id);
            if (vocabulary.has(piece.text())) {
                throw SentencePieceModel.unreadable(
                        checkpoint.resolve(MODEL),
                        "has the piece '" + piece.text() + "' twice, as " + vocabulary.get(piece.text()) + " and "
                                + id);
            }
            if (piece.type() == SentencePieceModel.NORMAL) {
                if (piece.score() > last) {
                    throw SentencePieceModel.unsupported(
                            checkpoint.resolve(MODEL),
                            "has a better score for piece " + id
                                    + " than for one before it; supported: ids in the order of"
                                    + " scores, as SentencePiece writes them");
                }
                last = piece.score();
            }
            vocabulary.put(piece.text(), id);
        }
        ArrayNode merges = model.putArray("merges");
        for (Piece piece : pieces) {
            String text = piece.text();
            for (int cut = text.offsetByCodePoints(0, 1); cut < text.length(); cut = text.offsetByCodePoints(cut, 1)) {
                if (vocabulary.has(text.substring(0, cut)) && vocabulary.has(text.substring(cut))) {
                    merges.addArray().add(text.substring(0, cut)).add(text.substring(cut));
                }
            }
        }
        return model;
    }

    private ArrayNode addedTokens(JsonNode vocabulary) {
        collect();
        Map<Integer, AddedToken> byId = new TreeMap<>();
        int next = vocabulary.size();
        for (AddedToken token : added.values()) {
            JsonNode known = vocabulary.path(token.content());
            byId.put(known.isInt() ? known.intValue() : next++, token);
        }
        ArrayNode out = JSON.createArrayNode();
        byId.forEach((id, token) -> out.addObject()
                .put("id", id)
                .put("content", token.content())
                .put("single_word", token.singleWord())
                .put("lstrip", token.lstrip())
                .put("rstrip", token.rstrip())
                .put("normalized", token.normalized())
                .put("special", token.special()));
        return out;
    }

    /** Fills {@link #added} in the order in which the reference adds tokens. */
    private void collect() {
        Map<String, AddedToken> named = new LinkedHashMap<>();
        List<AddedToken> extra = new ArrayList<>();
        Set<String> given = readNamed(config, false, named, extra);
        if (config != null && config.has("added_tokens_decoder")) {
            fromDecoder(config.object("added_tokens_decoder"));
        } else {
            given.addAll(readNamed(
                    CheckpointJson.readIfPresent(checkpoint.resolve("special_tokens_map.json")), true, named, extra));
            fromAddedTokens(named, extra);
        }
        DEFAULTS.forEach((name, token) -> {
            if (!given.contains(name)) {
                named.put(name, AddedToken.special(token));
            }
        });
        List<AddedToken> later = new ArrayList<>();
        NAMES.stream().filter(named::containsKey).forEach(name -> later.add(named.get(name)));
        named.keySet().stream().filter(name -> !NAMES.contains(name)).forEach(name -> later.add(named.get(name)));
        if (extra.isEmpty()) {
            for (Piece piece : pieces) {
                if (piece.type() == SentencePieceModel.CONTROL || piece.type() == SentencePieceModel.USER_DEFINED) {
                    extra.add(new AddedToken(
                            piece.text(), false, false, false, false, piece.type() == SentencePieceModel.CONTROL));
                }
            }
        }
        later.addAll(extra);
        Set<String> described = Set.copyOf(added.keySet());
        later.stream()
                .filter(token -> !described.contains(token.content()))
                .forEach(token -> added.put(token.content(), token));
        Set<String> special = new HashSet<>();
        named.values().forEach(token -> special.add(token.content()));
        added.replaceAll((content, token) -> special.contains(content) ? asSpecial(token) : token);
    }

    /**
     * @param map whether it is special_tokens_map.json, whose tokens are all special, and whose additional_special_tokens the reference
     *     overwrites
     * @return the names that {@code json} has, whether with a token or with null
     */
    private static Set<String> readNamed(
            @Nullable CheckpointJson json, boolean map, Map<String, AddedToken> named, List<AddedToken> extra) {
        Set<String> given = new HashSet<>();
        if (json == null) {
            return given;
        }
        for (String key : json.keys()) {
            JsonNode value = json.node(key);
            if (key.endsWith("_token") && (value.isString() || value.isObject() || value.isNull())) {
                given.add(key);
                if (value.isNull()) {
                    named.remove(key);
                } else {
                    named.put(key, token(json, key, value, map));
                }
            }
            if (value.isArray()
                    && (key.equals("extra_special_tokens") || (!map && key.equals("additional_special_tokens")))) {
                for (JsonNode item : value) {
                    extra.add(token(json, key, item, map));
                }
            }
        }
        return given;
    }

    private void fromDecoder(CheckpointJson decoder) {
        Map<Integer, AddedToken> byId = new TreeMap<>();
        for (String key : decoder.keys()) {
            try {
                byId.put(Integer.valueOf(key), token(decoder, key, decoder.node(key), false));
            } catch (NumberFormatException e) {
                throw decoder.unreadable(key, "token ids as keys");
            }
        }
        byId.values().forEach(token -> added.put(token.content(), token));
    }

    /** added_tokens.json: token → id. Their order counts; ids follow from the vocabulary's size. */
    private void fromAddedTokens(Map<String, AddedToken> named, List<AddedToken> extra) {
        CheckpointJson json = CheckpointJson.readIfPresent(checkpoint.resolve("added_tokens.json"));
        if (json == null) {
            return;
        }
        Set<String> special = new HashSet<>();
        named.forEach((name, token) -> {
            if (NAMES.contains(name)) {
                special.add(token.content());
            }
        });
        extra.forEach(token -> special.add(token.content()));
        List<String> contents = new ArrayList<>(json.keys());
        contents.sort(Comparator.comparingInt(json::requireInt));
        for (String content : contents) {
            boolean isSpecial = special.contains(content);
            added.put(content, new AddedToken(content, false, false, false, !isSpecial, isSpecial));
        }
    }

    private static AddedToken token(CheckpointJson json, String key, JsonNode value, boolean alwaysSpecial) {
        if (value.isString()) {
            return AddedToken.special(value.stringValue());
        }
        if (!value.path("content").isString()) {
            throw json.unreadable(key, "a token, as a string or an object with content");
        }
        boolean special = alwaysSpecial || value.path("special").asBoolean(false);
        return new AddedToken(
                value.path("content").stringValue(),
                value.path("single_word").asBoolean(false),
                value.path("lstrip").asBoolean(false),
                value.path("rstrip").asBoolean(false),
                value.path("normalized").asBoolean(!special),
                special);
    }

    private static AddedToken asSpecial(AddedToken token) {
        return new AddedToken(
                token.content(), token.singleWord(), token.lstrip(), token.rstrip(), token.normalized(), true);
    }
}
