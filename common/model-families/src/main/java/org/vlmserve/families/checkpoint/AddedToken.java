package org.vlmserve.families.checkpoint;

import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * A token that is found in a text before the text is split.
 *
 * @param singleWord whether it is found between word boundaries only
 * @param lstrip whether it takes the white space before it along
 * @param rstrip whether it takes the white space behind it along
 * @param normalized whether it is looked for in the normalised text
 * @param special whether decoding leaves it out
 */
public record AddedToken(
        String content, boolean singleWord, boolean lstrip, boolean rstrip, boolean normalized, boolean special) {

    /** What the reference makes of a control token that is given by its text alone. */
    public static AddedToken special(String content) {
        return new AddedToken(content, false, false, false, false, true);
    }

    /** What the reference makes of any other token that is given by its text alone. */
    public static AddedToken plain(String content) {
        return new AddedToken(content, false, false, false, true, false);
    }

    /**
     * @param json the file it stands in, for the error
     * @param value its text, or an object with {@code content}
     * @throws org.vlmserve.protocol.error.VlmException {@code CHECKPOINT_UNREADABLE} for anything else
     */
    static AddedToken read(CheckpointJson json, String key, JsonNode value) {
        if (value.isString()) {
            return special(value.stringValue());
        }
        if (!value.path("content").isString()) {
            throw json.unreadable(key, "a token, as a string or an object with content");
        }
        boolean special = value.path("special").asBoolean(false);
        return new AddedToken(
                value.path("content").stringValue(),
                value.path("single_word").asBoolean(false),
                value.path("lstrip").asBoolean(false),
                value.path("rstrip").asBoolean(false),
                value.path("normalized").asBoolean(!special),
                special);
    }

    AddedToken asSpecial() {
        return new AddedToken(content, singleWord, lstrip, rstrip, normalized, true);
    }

    /** Writes it as {@code tokenizer.json} has it. */
    void writeTo(ObjectNode node) {
        node.put("content", content)
                .put("single_word", singleWord)
                .put("lstrip", lstrip)
                .put("rstrip", rstrip)
                .put("normalized", normalized)
                .put("special", special);
    }
}
