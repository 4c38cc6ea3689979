package org.vlmserve.families.prompt;

import java.util.List;
import java.util.Map;

/**
 * Numbers of a prompt in which a special token marks each picture's place: the manifest's {@code prompt} section of families
 * that need no more.
 *
 * @param imageToken the placeholder that the chat template writes for a picture
 * @param imageTokenId its id
 * @param beforeText ids that the tokenizer puts before a text, such as the beginning-of-text token
 * @param afterText ids that it puts behind a text
 * @param specialTokens what the chat template knows of the tokenizer, such as {@code eos_token}
 */
public record PlaceholderPrompt(
        String imageToken,
        int imageTokenId,
        List<Integer> beforeText,
        List<Integer> afterText,
        Map<String, String> specialTokens) {}
