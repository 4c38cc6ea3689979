package org.vlmserve.protocol;

/** Sizes that both ends of a topic agree on, in bytes. */
public final class ProtocolLimits {

    /** The largest picture or video, all of its files together, that is produced to {@code images} or {@code plans}. */
    public static final int MAX_PICTURE_BYTES = 24 << 20;

    /** The largest tensor in one record of {@code features} or {@code embeddings}. */
    public static final int MAX_SLICE_BYTES = 1 << 20;

    /** The longest {@link PromptJob#templateArguments()}, in UTF-8. */
    public static final int MAX_TEMPLATE_ARGUMENTS_BYTES = 16 << 10;

    /** The largest record value on any topic: the largest picture and room for its header. */
    public static final int MAX_RECORD_BYTES = MAX_PICTURE_BYTES + (64 << 10);

    private ProtocolLimits() {}
}
