package org.vlmserve.families.paligemma;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.vlmserve.families.prompt.PreparedPrompt;
import org.vlmserve.families.prompt.PromptBuilder;
import org.vlmserve.families.prompt.PromptTokenizer;
import org.vlmserve.families.prompt.Tokenizer;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.Region;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * There is no chat template: the text of one user turn is the prompt, behind all of its pictures.
 *
 * <pre>
 * prompt    = picture { picture } begin text "\n"
 * positions = 1, 2, 3 …
 * </pre>
 *
 * All of it is the prefix, whose positions see each other. Follows {@code PaliGemmaProcessor.prepare_inputs_layout} in
 * processing_paligemma.py and {@code PaliGemmaModel.forward} in modeling_paligemma.py of transformers 5.18.
 */
final class PaliGemmaPromptBuilder implements PromptBuilder {

    private final PaliGemmaPrompt numbers;
    private final PromptTokenizer tokenizer;

    PaliGemmaPromptBuilder(PaliGemmaPrompt numbers, PromptTokenizer tokenizer) {
        this.numbers = numbers;
        this.tokenizer = tokenizer;
    }

    @Override
    public Tokenizer tokenizer() {
        return tokenizer.tokenizer();
    }

    @Override
    public PreparedPrompt prepare(
            List<ChatTurn> turns, List<PictureLayout> pictures, Map<String, ?> templateArguments) {
        ChatTurn turn = onlyTurn(turns);
        PromptTokenizer.Guard guard = tokenizer.guard(turns, Map.of());
        List<Integer> shown = new ArrayList<>();
        StringBuilder question = new StringBuilder();
        for (ChatTurn.Part part : turn.parts()) {
            switch (part) {
                case ChatTurn.Picture picture -> shown.add(picture.index());
                case ChatTurn.Video video ->
                    throw unsupported("a message holds a video, which this model does not take; send pictures of it");
                case ChatTurn.Text text -> question.append(guard.protect(text.text()));
            }
        }
        if (shown.isEmpty()) {
            throw unsupported(
                    "the message holds no picture; this model answers about pictures only, send one with the text");
        }
        if (tokenizer.readsMarkers() && question.indexOf(numbers.imageToken()) >= 0) {
            throw unsupported("a text contains " + numbers.imageToken()
                    + ", which marks the place of a picture; send the picture as a part of its own, or take the marker"
                    + " out of the text");
        }
        String asked = numbers.beginToken() + question + "\n";
        int[] text = guard.encode(asked);
        int pictureTokens = 0;
        for (int index : shown) {
            if (index < 0 || index >= pictures.size()) {
                throw unsupported(
                        "a message names picture " + index + "; " + pictures.size() + " pictures came with the prompt");
            }
            pictureTokens = Math.addExact(pictureTokens, pictures.get(index).tokens());
        }
        int length = Math.addExact(pictureTokens, text.length);
        int[] tokenIds = new int[length];
        int[] picture = new int[length];
        int[] row = new int[length];
        int at = 0;
        for (int index : shown) {
            for (int i = 0; i < pictures.get(index).tokens(); i++, at++) {
                tokenIds[at] = numbers.imageTokenId();
                picture[at] = index;
                row[at] = i;
            }
        }
        for (int id : text) {
            tokenIds[at] = id;
            picture[at] = -1;
            row[at++] = id;
        }
        return new PreparedPrompt(
                numbers.imageToken().repeat(shown.size()) + guard.plain(asked),
                tokenIds,
                picture,
                row,
                new long[][] {LongStream.rangeClosed(1, length).toArray()},
                length + 1L,
                pictureTokens,
                PreparedPrompt.Prefill.WHOLE_PREFIX);
    }

    /** None for several pictures: the answer does not say which of them it locates an object in. */
    @Override
    public List<Region> regions(String text, int[] tokenIds, List<PictureLayout> pictures) {
        if (pictures.size() != 1) {
            return List.of();
        }
        PictureSource source = pictures.getFirst().source();
        return Detection.read(text).stream().map(found -> found.in(source)).toList();
    }

    private static ChatTurn onlyTurn(List<ChatTurn> turns) {
        for (ChatTurn turn : turns) {
            if (turn.role().equals("system")) {
                throw unsupported("the conversation holds a system message, which this model has no place for; put it"
                        + " into the text of the user message");
            }
            if (!turn.role().equals("user")) {
                throw unsupported("the conversation holds a message of role '" + turn.role()
                        + "'; this model takes one user message, put what matters into its text");
            }
        }
        if (turns.size() != 1) {
            throw unsupported("the conversation holds " + turns.size()
                    + " messages; this model takes one user message, put what matters into its text");
        }
        return turns.getFirst();
    }

    private static VlmException unsupported(String message) {
        return new VlmException(ErrorCode.PROMPT_UNSUPPORTED, message, "messages", null);
    }
}
