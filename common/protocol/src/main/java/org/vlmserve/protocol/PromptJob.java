package org.vlmserve.protocol;

import java.util.List;

/**
 * Topic {@code prompts}: a conversation to answer.
 *
 * @param turns the conversation; its {@link ChatTurn.Visual} parts index {@code pictures}
 * @param templateArguments further names for the chat template: a JSON object of at most
 *     {@link ProtocolLimits#MAX_TEMPLATE_ARGUMENTS_BYTES}
 * @param pictures in the order in which the parts name them; one picture may stand twice
 */
public record PromptJob(
        Envelope envelope, List<ChatTurn> turns, String templateArguments, List<PictureRef> pictures, Sampling sampling)
        implements WireMessage {

    /** The caller has none. */
    public static final String NO_ARGUMENTS = "{}";

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
