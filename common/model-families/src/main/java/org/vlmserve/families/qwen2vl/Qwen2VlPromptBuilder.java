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
import org.vlmserve.families.prompt.WholeText;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * The template writes one placeholder for each picture and another for each video; the placeholder's token is repeated for
 * each of the tokens that it stands for, which is what the reference gets by repeating its text, as a special token never joins its neighbours. Follows
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
        List<ChatTurn.Visual> slots = new ArrayList<>();
        List<@Nullable Object> messages = new ArrayList<>();
        for (ChatTurn turn : turns) {
            messages.add(message(turn, slots));
        }
        String text = template.render(messages, templateArguments);
        int[] ids =
                WholeText.encode(tokenizer, text, numbers.beforeText(), numbers.afterText(), numbers.specialTokens());
        checkPlaces(ids, slots);
        int length = ids.length - slots.size();
        for (ChatTurn.Visual slot : slots) {
            length = Math.addExact(length, layout(slot, pictures).tokens());
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
            if (id != numbers.imageTokenId() && id != numbers.videoTokenId()) {
                rows[at] = id;
                tokenIds[at++] = id;
                positions.text(1);
                continue;
            }
            int index = slots.get(slot++).index();
            PictureLayout layout = pictures.get(index);
            PictureLayout.Grid grid = layout.grids().getFirst();
            positions.picture(
                    layout.grids().size(), grid.height() / numbers.mergeSize(), grid.width() / numbers.mergeSize());
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

    /** Requires one placeholder of the right kind for each picture and video, in their order. */
    private void checkPlaces(int[] ids, List<ChatTurn.Visual> slots) {
        int[] places = Arrays.stream(ids)
                .filter(id -> id == numbers.imageTokenId() || id == numbers.videoTokenId())
                .toArray();
        int[] expected = slots.stream()
                .mapToInt(slot -> slot instanceof ChatTurn.Video ? numbers.videoTokenId() : numbers.imageTokenId())
                .toArray();
        if (!Arrays.equals(places, expected)) {
            throw new VlmException(
                    ErrorCode.PROMPT_UNSUPPORTED,
                    "the chat template made " + places.length + " places for " + expected.length
                            + " pictures and videos, or mixed them up; put pictures and videos into user messages only");
        }
    }

    private static PictureLayout layout(ChatTurn.Visual slot, List<PictureLayout> pictures) {
        if (slot.index() < 0 || slot.index() >= pictures.size()) {
            throw new VlmException(
                    ErrorCode.PROMPT_UNSUPPORTED,
                    "a message names picture " + slot.index() + "; " + pictures.size()
                            + " pictures came with the prompt");
        }
        PictureLayout layout = pictures.get(slot.index());
        Medium medium = slot instanceof ChatTurn.Video ? Medium.VIDEO : Medium.PICTURE;
        if (layout.source().medium() != medium) {
            throw new VlmException(
                    ErrorCode.PROMPT_UNSUPPORTED,
                    "a message names " + slot.index() + " as a " + medium.wireName() + ", it came as a "
                            + layout.source().medium().wireName());
        }
        return layout;
    }

    /** A message as the reference's processor hands it to the template; notes which picture stands at which place. */
    private Map<String, @Nullable Object> message(ChatTurn turn, List<ChatTurn.Visual> slots) {
        List<@Nullable Object> parts = new ArrayList<>();
        Object content = parts;
        for (ChatTurn.Part part : turn.parts()) {
            switch (part) {
                case ChatTurn.Picture picture -> {
                    slots.add(picture);
                    parts.add(Map.of("type", "image"));
                }
                case ChatTurn.Video video -> {
                    slots.add(video);
                    parts.add(Map.of("type", "video"));
                }
                case ChatTurn.Text given -> {
                    String text = given.text();
                    // Otherwise a caller's text could take the place of a picture.
                    for (String place : List.of(numbers.imageToken(), numbers.videoToken())) {
                        if (text.contains(place)) {
                            throw new VlmException(
                                    ErrorCode.PROMPT_UNSUPPORTED,
                                    "a text contains " + place + ", which marks the place of a picture or video; send"
                                            + " that as a part of its own, or take the marker out of the text");
                        }
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
