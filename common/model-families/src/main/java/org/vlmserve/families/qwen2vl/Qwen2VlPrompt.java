package org.vlmserve.families.qwen2vl;

import java.util.List;
import java.util.Map;
import org.vlmserve.families.bundle.Bundle;

/**
 * The manifest's {@code prompt} section.
 *
 * @param imageToken the placeholder that the chat template writes for a picture
 * @param imageTokenId its id
 * @param videoToken the placeholder that the chat template writes for a video
 * @param videoTokenId its id
 * @param mergeSize side of the square of patches that becomes one token
 * @param beforeText ids that the tokenizer puts before a text
 * @param afterText ids that it puts behind a text
 * @param specialTokens what the chat template knows of the tokenizer, such as {@code eos_token}
 */
public record Qwen2VlPrompt(
        String imageToken,
        int imageTokenId,
        String videoToken,
        int videoTokenId,
        int mergeSize,
        List<Integer> beforeText,
        List<Integer> afterText,
        Map<String, String> specialTokens) {

    static Qwen2VlPrompt of(Bundle bundle) {
        return Qwen2VlPreprocessing.section(bundle, "prompt", bundle.manifest().prompt(), Qwen2VlPrompt.class);
    }
}
