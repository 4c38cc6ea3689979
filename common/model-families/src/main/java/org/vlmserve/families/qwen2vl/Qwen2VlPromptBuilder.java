package org.vlmserve.families.qwen2vl;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.position.MropePositions;
import org.vlmserve.families.prompt.ChatTemplate;
import org.vlmserve.families.prompt.PreparedPrompt;
import org.vlmserve.families.prompt.PromptBuilder;
import org.vlmserve.families.prompt.Tokenizer;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * The template writes one placeholder for each picture; the placeholder's token is repeated for each of the picture's
 * tokens, which is what the reference gets by repeating its text, as a special token never joins its neighbours. Follows
 * {@code processing_qwen2_vl.py} of transformers 5.18.
 */
final class Qwen2VlPromptBuilder implements PromptBuilder {

    private final Qwen2VlPrompt numbers;
    private final Tokenizer tokenizer;
    private final ChatTemplate template;

    Qwen2VlPromptBuilder(Qwen2VlPrompt numbers, Tokenizer tokenizer, ChatTemplate template) {
        this.numbers = numbers;
        this.tokenizer = tokenizer;
        this.template = template;
    }

    @Override
    public Tokenizer tokenizer() {
        return tokenizer;
    }

    @Override
    public PreparedPrompt prepare(
            List<ChatTurn> turns, List<PictureLayout> pictures, Map<String, ?> templateArguments) {
        List<Integer> slots = new ArrayList<>();
        List<@Nullable Object> messages = new ArrayList<>();
        for (ChatTurn turn : turns) {
            messages.add(message(turn, slots));
        }
        String text = template.render(messages, templateArguments);
        int[] ids = tokenizer.encode(text);
        long placeholders =
                Arrays.stream(ids).filter(id -> id == numbers.imageTokenId()).count();
        if (placeholders != slots.size()) {
            throw new VlmException(
                    ErrorCode.PROMPT_UNSUPPORTED,
                    "the chat template made " + placeholders + " places for " + slots.size()
                            + " pictures; put pictures into user messages only");
        }
        int length = ids.length - slots.size();
        for (int slot : slots) {
            if (slot < 0 || slot >= pictures.size()) {
                throw new VlmException(
                        ErrorCode.PROMPT_UNSUPPORTED,
                        "a message names picture " + slot + "; " + pictures.size() + " pictures came with the prompt");
            }
            length = Math.addExact(length, pictures.get(slot).tokens());
        }
        int[] tokenIds = new int[length];
        int[] picture = new int[length];
        int[] rows = new int[length];
        Arrays.fill(picture, -1);
        MropePositions positions = new MropePositions();
        int pictureTokens = 0;
        int at = 0;
        int slot = 0;
        for (int id : ids) {
            if (id != numbers.imageTokenId()) {
                rows[at] = id;
                tokenIds[at++] = id;
                positions.text(1);
                continue;
            }
            int index = slots.get(slot++);
            PictureLayout layout = pictures.get(index);
            PictureLayout.Grid grid = layout.grids().getFirst();
            positions.picture(grid.time(), grid.height() / numbers.mergeSize(), grid.width() / numbers.mergeSize());
            for (int row = 0; row < layout.tokens(); row++, at++) {
                tokenIds[at] = id;
                picture[at] = index;
                rows[at] = row;
            }
            pictureTokens += layout.tokens();
        }
        return new PreparedPrompt(
                text,
                tokenIds,
                picture,
                rows,
                positions.positions(),
                positions.nextPosition(),
                pictureTokens,
                PreparedPrompt.Prefill.CAUSAL);
    }

    /** A message as the reference's processor hands it to the template; notes which picture stands at which place. */
    private Map<String, @Nullable Object> message(ChatTurn turn, List<Integer> slots) {
        List<@Nullable Object> parts = new ArrayList<>();
        Object content = parts;
        for (ChatTurn.Part part : turn.parts()) {
            switch (part) {
                case ChatTurn.Picture picture -> {
                    slots.add(picture.index());
                    parts.add(Map.of("type", "image"));
                }
                case ChatTurn.Video video ->
                    throw new VlmException(
                            ErrorCode.PROMPT_UNSUPPORTED, "a message holds a video, which is not supported");
                case ChatTurn.Text given -> {
                    String text = given.text();
                    // Otherwise a caller's text could take the place of one of the pictures.
                    if (text.contains(numbers.imageToken())) {
                        throw new VlmException(
                                ErrorCode.PROMPT_UNSUPPORTED,
                                "a text contains " + numbers.imageToken()
                                        + ", which marks the place of a picture; send the picture as a part of its own,"
                                        + " or take the marker out of the text");
                    }
                    parts.add(Map.of("type", "text", "text", text));
                    if (turn.plain()) {
                        content = text;
                    }
                }
            }
        }
        Map<String, @Nullable Object> message = new LinkedHashMap<>();
        message.put("role", turn.role());
        message.put("content", content);
        return message;
    }
}
