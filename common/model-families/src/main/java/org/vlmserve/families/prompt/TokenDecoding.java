package org.vlmserve.families.prompt;

import tools.jackson.databind.JsonNode;

/** How a {@code tokenizer.json} makes text of tokens, by its {@code decoder}. */
enum TokenDecoding {
    /** Each character of a token stands for a byte. */
    BYTE_LEVEL,
    /** "▁" is a space, and a token such as {@code <0x0A>} is a byte. */
    PIECES,
    /** The same, and one space at the very beginning is left out. */
    PIECES_STRIPPED,
    UNKNOWN;

    static TokenDecoding of(JsonNode decoder) {
        if (decoder.path("type").asString("").equals("ByteLevel")) {
            return BYTE_LEVEL;
        }
        JsonNode steps = decoder.path("decoders");
        boolean pieces = steps.size() >= 3
                && isType(steps.path(0), "Replace")
                && steps.path(0).path("pattern").path("String").asString("").equals("▁")
                && steps.path(0).path("content").asString("").equals(" ")
                && isType(steps.path(1), "ByteFallback")
                && isType(steps.path(2), "Fuse");
        if (pieces && steps.size() == 3) {
            return PIECES;
        }
        JsonNode last = steps.path(3);
        return pieces
                        && steps.size() == 4
                        && isType(last, "Strip")
                        && last.path("content").asString("").equals(" ")
                        && last.path("start").asInt(-1) == 1
                        && last.path("stop").asInt(-1) == 0
                ? PIECES_STRIPPED
                : UNKNOWN;
    }

    private static boolean isType(JsonNode step, String type) {
        return step.path("type").asString("").equals(type);
    }
}
