package org.vlmserve.protocol.error;

import org.jspecify.annotations.Nullable;

/**
 * An error with a stable {@link ErrorCode}. The message gives the value, what was expected, and a hint; it is meant for
 * the caller and holds no content of pictures or prompts.
 */
public final class VlmException extends RuntimeException {

    /** Characters of a message. What is longer is cut: an error says what an input holds, it does not hold it. */
    private static final int MOST_WORDS = 1_500;

    private final ErrorCode code;
    private final @Nullable String param;

    public VlmException(ErrorCode code, String message) {
        this(code, message, null, null);
    }

    public VlmException(ErrorCode code, String message, @Nullable Throwable cause) {
        this(code, message, null, cause);
    }

    /** @param param the request field at fault, such as {@code messages[0].content[1].image_url.url} */
    public VlmException(ErrorCode code, String message, @Nullable String param, @Nullable Throwable cause) {
        super(words(message), cause);
        this.code = code;
        this.param = param;
    }

    /** On one line and not too long for it, whatever a message quotes of an input. */
    private static String words(String message) {
        StringBuilder line =
                new StringBuilder(message.length() <= MOST_WORDS ? message : message.substring(0, MOST_WORDS));
        for (int i = 0; i < line.length(); i++) {
            if (Character.isISOControl(line.charAt(i))) {
                line.setCharAt(i, ' ');
            }
        }
        return message.length() <= MOST_WORDS
                ? line.toString()
                : line.append(" …").toString();
    }

    public ErrorCode code() {
        return code;
    }

    /** The request field at fault, or null. */
    public @Nullable String param() {
        return param;
    }
}
