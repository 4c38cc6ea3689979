package org.vlmserve.protocol;

/**
 * Topic {@code plans}: asks for the layout of one picture without encoding it. Answered by {@link AnswerEvent.Planned}, or by
 * {@link AnswerEvent.Failed} if it cannot be laid out.
 *
 * @param index which picture of the request
 */
public record PlanJob(Envelope envelope, int index, PixelLimits limits, Subject subject) implements WireMessage {

    /** What is to be laid out: files, or no more than a size. */
    public sealed interface Subject permits PictureFiles, PictureSource {}
}
