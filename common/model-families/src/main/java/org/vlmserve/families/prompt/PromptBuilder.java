package org.vlmserve.families.prompt;

import java.util.List;
import java.util.Map;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.Region;

/** How a family turns a conversation into what its decoder reads. */
public interface PromptBuilder {

    Tokenizer tokenizer();

    /**
     * Renders the chat template, tokenises, opens room for the pictures and assigns positions, as the reference does.
     *
     * @param pictures layouts in the order of the {@link ChatTurn.Visual} indices
     * @throws org.vlmserve.protocol.error.VlmException {@code PROMPT_UNSUPPORTED} when the template refuses the
     *     conversation or pictures do not match their slots
     */
    default PreparedPrompt prepare(List<ChatTurn> turns, List<PictureLayout> pictures) {
        return prepare(turns, pictures, Map.of());
    }

    /**
     * The same, with further names for the template, such as {@code add_vision_id}.
     *
     * @param templateArguments plain JSON values by name
     */
    PreparedPrompt prepare(List<ChatTurn> turns, List<PictureLayout> pictures, Map<String, ?> templateArguments);

    /**
     * The boxes that a complete answer locates in the pictures, for families that answer in coordinates; none by default. An
     * answer that holds none, or none that make sense, has no regions: it is not an error.
     *
     * @param text the answer as the caller gets it: without special tokens, as the reference decodes it, and up to a stop text
     * @param tokenIds all of the answer's tokens, for families whose coordinates are special tokens
     * @param pictures layouts in the order of the {@link ChatTurn.Visual} indices
     */
    default List<Region> regions(String text, int[] tokenIds, List<PictureLayout> pictures) {
        return List.of();
    }
}
