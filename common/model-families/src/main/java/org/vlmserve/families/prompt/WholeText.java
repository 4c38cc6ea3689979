package org.vlmserve.families.prompt;

import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** Tokens of a whole prompt: those of its text, and those that the tokenizer puts around any text. */
public final class WholeText {

    private WholeText() {}

    /**
     * A text that begins with the beginning-of-text token, because the template writes it, gets nothing added. Follows
     * {@code apply_chat_template} of transformers 5.18's {@code processing_utils.py}.
     *
     * @param special the named tokens, {@code bos_token} among them
     */
    public static int[] encode(
            Tokenizer tokenizer, String text, List<Integer> before, List<Integer> after, Map<String, String> special) {
        int[] ids = tokenizer.encode(text);
        String beginning = special.get("bos_token");
        if (beginning != null && text.startsWith(beginning)) {
            return ids;
        }
        return IntStream.concat(
                        IntStream.concat(before.stream().mapToInt(Integer::intValue), IntStream.of(ids)),
                        after.stream().mapToInt(Integer::intValue))
                .toArray();
    }
}
