package org.vlmserve.families.prompt;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.bundle.BundleSections;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * Renders the template, in which one placeholder stands for each picture, and repeats its token for each of the picture's
 * tokens, which is what the reference gets by repeating its text, as a special token never joins its neighbours. Positions are
 * counted in one channel. Follows {@code apply_chat_template} and {@code __call__} of transformers 5.18's
 * {@code processing_utils.py}.
 */
public final class PlaceholderPromptBuilder implements PromptBuilder {

    /** A learned vector that is no token, in {@link Splice#rows}: the first row behind the vocabulary. */
    public static final int LEARNED = -1;

    /** What fills a picture's places in the prompt. */
    @FunctionalInterface
    public interface Splice {

        /** The projector's rows in the order of the prompt, as many as {@link PictureLayout#tokens()}, or {@link #LEARNED}. */
        int[] rows(PictureLayout layout);

        /** The projector's rows as they come. */
        static int[] inOrder(PictureLayout layout) {
            return IntStream.range(0, layout.tokens()).toArray();
        }
    }

    private final PlaceholderPrompt numbers;
    private final Tokenizer tokenizer;
    private final ChatTemplate template;
    private final Splice splice;
    private final int vocabulary;

    /** @param vocabulary rows of the embedding table that are tokens; learned vectors stand behind them */
    public PlaceholderPromptBuilder(
            PlaceholderPrompt numbers, Tokenizer tokenizer, ChatTemplate template, Splice splice, int vocabulary) {
        this.numbers = numbers;
        this.tokenizer = tokenizer;
        this.template = template;
        this.splice = splice;
        this.vocabulary = vocabulary;
    }

    /** With the bundle's own tokenizer and chat template. */
    public static PlaceholderPromptBuilder of(Bundle bundle, Splice splice) {
        PlaceholderPrompt numbers = BundleSections.prompt(bundle, PlaceholderPrompt.class);
        return new PlaceholderPromptBuilder(
                numbers,
                HuggingFaceTokenizerFile.of(bundle),
                new ChatTemplate(BundleSections.chatTemplate(bundle), numbers.specialTokens()),
                splice,
                bundle.manifest().decoder().vocabulary());
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
        int[] ids =
                WholeText.encode(tokenizer, text, numbers.beforeText(), numbers.afterText(), numbers.specialTokens());
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
        int[] row = new int[length];
        int at = 0;
        int slot = 0;
        for (int id : ids) {
            if (id != numbers.imageTokenId()) {
                tokenIds[at] = id;
                picture[at] = -1;
                row[at++] = id;
                continue;
            }
            int index = slots.get(slot++);
            for (int from : splice.rows(pictures.get(index))) {
                tokenIds[at] = id;
                picture[at] = from == LEARNED ? -1 : index;
                row[at++] = from == LEARNED ? vocabulary : from;
            }
        }
        return new PreparedPrompt(
                text,
                tokenIds,
                picture,
                row,
                new long[][] {LongStream.range(0, length).toArray()},
                length,
                length - (ids.length - slots.size()),
                PreparedPrompt.Prefill.CAUSAL);
    }

    /**
     * A message whose content is a list of parts, also where it was a plain string: templates that look for parts would drop
     * it. Notes which picture stands at which place.
     */
    private Map<String, @Nullable Object> message(ChatTurn turn, List<Integer> slots) {
        List<@Nullable Object> parts = new ArrayList<>();
        for (ChatTurn.Part part : turn.parts()) {
            switch (part) {
                case ChatTurn.Picture picture -> {
                    slots.add(picture.index());
                    parts.add(Map.of("type", "image"));
                }
                case ChatTurn.Video video ->
                    throw new VlmException(
                            ErrorCode.PROMPT_UNSUPPORTED,
                            "a message holds a video, number " + video.index() + "; this model takes pictures only");
                case ChatTurn.Text given -> {
                    // Otherwise a caller's text could take the place of one of the pictures.
                    if (given.text().contains(numbers.imageToken())) {
                        throw new VlmException(
                                ErrorCode.PROMPT_UNSUPPORTED,
                                "a text contains " + numbers.imageToken()
                                        + ", which marks the place of a picture; send the picture as a part of its own,"
                                        + " or take the marker out of the text");
                    }
                    parts.add(Map.of("type", "text", "text", given.text()));
                }
            }
        }
        return Map.of("role", turn.role(), "content", parts);
    }
}
