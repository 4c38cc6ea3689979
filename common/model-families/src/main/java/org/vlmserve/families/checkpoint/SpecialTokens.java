package org.vlmserve.families.checkpoint;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** The named special tokens of {@code tokenizer_config.json}, such as {@code eos_token}, which chat templates see. */
public final class SpecialTokens {

    private static final List<String> NAMES =
            List.of("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token");

    private SpecialTokens() {}

    /**
     * @param defaults those of the tokenizer's class, for names that the file does not have; a written null takes a token away
     */
    public static Map<String, String> read(@Nullable CheckpointJson tokenizerConfig, Map<String, String> defaults) {
        Map<String, String> found = new TreeMap<>();
        for (String name : NAMES) {
            JsonNode token = tokenizerConfig == null ? null : tokenizerConfig.node(name);
            if (token == null || token.isMissingNode()) {
                String absent = defaults.get(name);
                if (absent != null) {
                    found.put(name, absent);
                }
            } else if (token.isString()) {
                found.put(name, token.stringValue());
            } else if (tokenizerConfig != null && token.isObject()) {
                found.put(name, tokenizerConfig.object(name).string("content", ""));
            }
        }
        return found;
    }
}
