package org.vlmserve.protocol.error;

import org.jspecify.annotations.Nullable;

/**
 * An error with a stable {@link ErrorCode}. The message gives the value, what was expected, and a hint; it is meant for
 * the caller and holds no content of pictures or prompts.
 */
public final class VlmException extends RuntimeException {

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
        super(message, cause);
        this.code = code;
        this.param = param;
    }

    public ErrorCode code() {
        return code;
    }

    /** The request field at fault, or null. */
    public @Nullable String param() {
        return param;
    }
}
