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
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * The tokens that a checkpoint's files name beside the vocabulary: in {@code tokenizer_config.json}, and where that has no
 * {@code added_tokens_decoder}, in {@code special_tokens_map.json}, {@code added_tokens.json} and {@code tokenizer.json}. Follows
 * {@code PreTrainedTokenizerBase._from_pretrained} and the constructors of it and of {@code TokenizersBackend}, transformers 5.18.
 */
final class SpecialTokens {

    /** The names that every tokenizer has, in the reference's order. */
    private static final List<String> NAMES =
            List.of("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token");

    private static final String EXTRA = "extra_special_tokens";
    private static final String ADDITIONAL = "additional_special_tokens";
    private static final String DECODER = "added_tokens_decoder";

    private final Map<String, AddedToken> named = new LinkedHashMap<>();
    private final Map<Integer, AddedToken> described = new TreeMap<>();
    private @Nullable List<AddedToken> extra;
    private @Nullable List<AddedToken> additional;

    private SpecialTokens() {}

    /**
     * @param config {@code tokenizer_config.json}
     * @param tokenizer {@code tokenizer.json}, or null for a checkpoint without one
     * @param defaults named tokens of the tokenizer's class, for names that no file has; a written null takes a token away
     */
    static SpecialTokens read(
            Path checkpoint,
            @Nullable CheckpointJson config,
            @Nullable CheckpointJson tokenizer,
            Map<String, String> defaults) {
        SpecialTokens found = new SpecialTokens();
        Set<String> given = new HashSet<>();
        // A model's own names, which come behind the general ones: first those that are written out.
        Map<String, AddedToken> own = new LinkedHashMap<>();
        Map<String, AddedToken> ownByText = new LinkedHashMap<>();
        if (config != null) {
            for (String key : config.keys()) {
                found.readNamed(config, key, given, config.node(key).isString() ? ownByText : own);
            }
            if (config.has(ADDITIONAL) && config.node(EXTRA).isEmpty()) {
                found.extra = tokens(config, ADDITIONAL);
            } else if (config.node(EXTRA).isObject()) {
                CheckpointJson names = config.object(EXTRA);
                names.keys().forEach(key -> ownByText.put(key, AddedToken.read(names, key, names.node(key))));
            } else if (config.has(EXTRA)) {
                found.extra = tokens(config, EXTRA);
            }
        }
        if (config != null && !config.node(DECODER).isMissingNode()) {
            found.readDecoder(config.object(DECODER));
        } else {
            found.readMap(
                    CheckpointJson.readIfPresent(checkpoint.resolve("special_tokens_map.json")), given, own, ownByText);
            found.readAdded(CheckpointJson.readIfPresent(checkpoint.resolve("added_tokens.json")));
            if (tokenizer != null) {
                for (JsonNode token : tokenizer.node("added_tokens")) {
                    found.described.put(token.path("id").asInt(), AddedToken.read(tokenizer, "added_tokens", token));
                }
            }
        }
        found.named.replaceAll((name, token) -> found.described.values().stream()
                .filter(each -> each.content().equals(token.content()))
                .findFirst()
                .orElse(token));
        defaults.forEach((name, token) -> {
            if (!given.contains(name)) {
                found.named.put(name, AddedToken.special(token));
            }
        });
        Map<String, AddedToken> ordered = new LinkedHashMap<>();
        NAMES.stream().filter(found.named::containsKey).forEach(name -> ordered.put(name, found.named.get(name)));
        ordered.putAll(own);
        ordered.putAll(ownByText);
        found.named.clear();
        found.named.putAll(ordered);
        return found;
    }

    /** Takes a key that ends in {@code _token}, whatever its name. */
    private void readNamed(CheckpointJson json, String key, Set<String> given, Map<String, AddedToken> own) {
        JsonNode value = json.node(key);
        if (!key.endsWith("_token") || !(value.isString() || value.isObject() || value.isNull())) {
            return;
        }
        given.add(key);
        Map<String, AddedToken> target = NAMES.contains(key) ? named : own;
        if (value.isNull()) {
            target.remove(key);
        } else {
            target.put(key, AddedToken.read(json, key, value));
        }
    }

    private void readDecoder(CheckpointJson decoder) {
        for (String key : decoder.keys()) {
            try {
                described.put(Integer.valueOf(key), AddedToken.read(decoder, key, decoder.node(key)));
            } catch (NumberFormatException e) {
                throw decoder.unreadable(key, "token ids as keys");
            }
        }
    }

    /** {@code special_tokens_map.json}: its tokens are all special, and come before those of tokenizer_config.json. */
    private void readMap(
            @Nullable CheckpointJson map,
            Set<String> given,
            Map<String, AddedToken> own,
            Map<String, AddedToken> ownByText) {
        if (map == null) {
            return;
        }
        for (String key : map.keys()) {
            readNamed(map, key, given, own);
        }
        named.replaceAll((name, token) -> map.has(name) ? token.asSpecial() : token);
        own.replaceAll((name, token) -> map.has(name) ? token.asSpecial() : token);
        if (map.node(EXTRA).isObject()) {
            CheckpointJson names = map.object(EXTRA);
            names.keys().forEach(key -> ownByText.put(key, AddedToken.read(names, key, names.node(key))));
        } else if (map.has(EXTRA)) {
            List<AddedToken> all = new ArrayList<>(extra == null ? List.of() : extra);
            all.addAll(tokens(map, EXTRA));
            extra = all;
        }
        if (map.has(ADDITIONAL)) {
            additional = tokens(map, ADDITIONAL);
        }
    }

    /** {@code added_tokens.json}: from token to id. */
    private void readAdded(@Nullable CheckpointJson json) {
        if (json == null) {
            return;
        }
        Set<String> special = new HashSet<>();
        named.values().forEach(token -> special.add(token.content()));
        if (extra != null) {
            extra.forEach(token -> special.add(token.content()));
        }
        List<String> contents = new ArrayList<>(json.keys());
        contents.sort(Comparator.comparingInt(json::requireInt));
        for (String content : contents) {
            boolean isSpecial = special.contains(content);
            described.put(
                    json.requireInt(content), new AddedToken(content, false, false, false, !isSpecial, isSpecial));
        }
    }

    private static List<AddedToken> tokens(CheckpointJson json, String key) {
        if (!json.node(key).isArray()) {
            throw json.unreadable(key, "a list of tokens");
        }
        List<AddedToken> found = new ArrayList<>();
        for (JsonNode item : json.node(key)) {
            found.add(AddedToken.read(json, key, item));
        }
        return found;
    }

    /** The named tokens, such as {@code eos_token}, which chat templates see. */
    Map<String, String> texts() {
        Map<String, String> texts = new TreeMap<>();
        named.forEach((name, token) -> texts.put(name, token.content()));
        return texts;
    }

    /** Control and user-defined tokens of a vocabulary that marks them, where no file has further tokens. */
    void further(List<AddedToken> ofVocabulary) {
        additional = ofVocabulary;
    }

    /**
     * Adds all of them.
     *
     * @param plain whether the class adds all special tokens once more, without any of their settings
     */
    void addTo(AddedVocabulary vocabulary, boolean plain) {
        List<AddedToken> further = extra != null ? extra : additional != null ? additional : List.of();
        Map<String, AddedToken> adding = new LinkedHashMap<>();
        described.values().forEach(token -> adding.put(token.content(), token));
        Set<String> known = Set.copyOf(adding.keySet());
        // Of several under one text, which no file describes, the last counts.
        Stream.concat(named.values().stream(), further.stream())
                .filter(token -> !vocabulary.holds(token.content()) && !known.contains(token.content()))
                .forEach(token -> adding.put(token.content(), token));
        Set<String> names = new HashSet<>();
        named.values().forEach(token -> names.add(token.content()));
        adding.values().forEach(token -> vocabulary.add(names.contains(token.content()) ? token.asSpecial() : token));
        if (plain) {
            named.values().forEach(token -> vocabulary.add(AddedToken.special(token.content())));
            further.forEach(token -> vocabulary.add(AddedToken.special(token.content())));
        }
    }
}
