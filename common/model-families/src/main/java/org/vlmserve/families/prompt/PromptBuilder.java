package org.vlmserve.families.prompt;

import java.util.List;
import java.util.Map;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.PictureLayout;

/** How a family turns a conversation into what its decoder reads. */
public interface PromptBuilder {

    Tokenizer tokenizer();

    /**
     * Renders the chat template, tokenises, opens room for the pictures and assigns positions, as the reference does.
     *
     * @param pictures layouts in the order of the {@link ChatTurn.Picture} indices
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
}
