package org.vlmserve.protocol;

import java.util.List;

/**
 * Topic {@code prompts}: a conversation to answer.
 *
 * @param turns the conversation; its {@link ChatTurn.Picture} parts index {@code pictures}
 * @param pictures in the order in which the parts name them; one picture may stand twice
 */
public record PromptJob(Envelope envelope, List<ChatTurn> turns, List<PictureRef> pictures, Sampling sampling)
        implements WireMessage {

    public PromptJob {
        turns = List.copyOf(turns);
        pictures = List.copyOf(pictures);
    }

    /**
     * @param sent whether an {@link ImageJob} for this key went out with this prompt. If not, the gateway trusts that the
     *     decoder still holds the picture; a decoder that does not answers {@link AnswerEvent.Missing} at once
     */
    public record PictureRef(PictureKey key, boolean sent) {}
}
