package org.vlmserve.families.llava;

import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.vlmserve.families.prompt.ChatTemplate;
import org.vlmserve.families.prompt.PlaceholderPrompt;
import org.vlmserve.families.prompt.PlaceholderPromptBuilder;
import org.vlmserve.families.prompt.PlaceholderPromptBuilder.Splice;
import org.vlmserve.families.prompt.PreparedPrompt;
import org.vlmserve.families.prompt.PromptBuilder;
import org.vlmserve.families.prompt.PromptTokenizer;
import org.vlmserve.families.prompt.Tokenizer;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.PictureLayout;

/**
 * Tokenises each piece of text around a picture by itself, so that the text behind a picture begins as a prompt does, and puts the
 * beginning-of-text token before the first alone. Follows {@code tokenizer_image_token} in {@code llava/mm_utils.py} of the original
 * repository.
 */
final class OriginalPromptBuilder implements PromptBuilder {

    /** {@code <unk>}: {@code tokenIds} where pictures stand, since the placeholder itself is no token. */
    private static final int UNKNOWN = 0;

    private final PlaceholderPromptBuilder pieces;

    OriginalPromptBuilder(PlaceholderPrompt numbers, PromptTokenizer tokenizer, ChatTemplate template, int vocabulary) {
        this.pieces = new PlaceholderPromptBuilder(
                numbers,
                tokenizer.cutAt(numbers.imageToken(), numbers.imageTokenId()),
                template,
                Splice::inOrder,
                vocabulary);
    }

    @Override
    public Tokenizer tokenizer() {
        return pieces.tokenizer();
    }

    @Override
    public PreparedPrompt prepare(
            List<ChatTurn> turns, List<PictureLayout> pictures, Map<String, ?> templateArguments) {
        PreparedPrompt prompt = pieces.prepare(turns, pictures, templateArguments);
        int[] ids = IntStream.of(prompt.tokenIds())
                .map(id -> id == OriginalConfig.PLACEHOLDER_ID ? UNKNOWN : id)
                .toArray();
        return new PreparedPrompt(
                prompt.text(),
                ids,
                prompt.picture(),
                prompt.row(),
                prompt.positions(),
                prompt.nextPosition(),
                prompt.pictureTokens(),
                prompt.prefill());
    }
}
