package org.vlmserve.families.checkpoint;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;

/**
 * Added tokens and their ids, as the tokenizers library gives them ({@code AddedVocabulary::add_tokens} in
 * {@code added_vocabulary.rs}): a token of the model's vocabulary keeps its id, a new one gets the next behind all others. What a
 * file says about ids of added tokens does not count.
 */
final class AddedVocabulary {

    private final JsonNode vocabulary;
    private final Map<String, Integer> ids = new HashMap<>();
    private final Map<Integer, AddedToken> tokens = new TreeMap<>();
    private final Set<String> special = new HashSet<>();

    /** @param vocabulary the model's own, from token to id */
    AddedVocabulary(JsonNode vocabulary) {
        this.vocabulary = vocabulary;
    }

    /** Adds a token, or changes one that is there; once special, a token stays special. */
    void add(AddedToken token) {
        if (token.content().isEmpty()) {
            return;
        }
        int id = idOf(token.content());
        if (id < 0) {
            int last = ids.values().stream().mapToInt(Integer::intValue).max().orElse(-1);
            id = Math.max(vocabulary.size(), last + 1);
        }
        if (token.special()) {
            special.add(token.content());
        }
        ids.put(token.content(), id);
        tokens.put(id, special.contains(token.content()) ? token.asSpecial() : token);
    }

    /** The token's id, added or not, or −1. */
    int idOf(String content) {
        Integer added = ids.get(content);
        if (added != null) {
            return added;
        }
        JsonNode id = vocabulary.path(content);
        return id.isInt() ? id.intValue() : -1;
    }

    boolean holds(String content) {
        return ids.containsKey(content);
    }

    /**
     * Takes the tokens away that have no row in the embedding table. The model cannot be given them, so their text is read as any
     * other.
     *
     * @return their texts
     */
    List<String> removeFrom(int rows) {
        List<String> removed = new ArrayList<>();
        tokens.entrySet().removeIf(token -> {
            boolean without = token.getKey() >= rows;
            if (without) {
                removed.add(token.getValue().content());
                ids.remove(token.getValue().content());
            }
            return without;
        });
        return removed;
    }

    /** {@code added_tokens} of a {@code tokenizer.json}. */
    ArrayNode toJson() {
        ArrayNode out = JsonMapper.shared().createArrayNode();
        tokens.forEach((id, token) -> token.writeTo(out.addObject().put("id", id)));
        return out;
    }
}
