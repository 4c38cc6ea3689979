package org.vlmserve.protocol.error;

import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * Every error that a caller or an operator can meet. Numbers and names are stable: a number is never reused and a
 * constant is never renamed. HTTP status, retry advice and dead-lettering follow from the constant alone.
 */
public enum ErrorCode {
    INVALID_REQUEST(1001, 400, Blame.CALLER),
    UNSUPPORTED_FIELD(1002, 400, Blame.CALLER),
    INVALID_API_KEY(1003, 401, Blame.CALLER),
    MODEL_NOT_FOUND(1004, 404, Blame.CALLER),
    REQUEST_TOO_LARGE(1005, 413, Blame.CALLER),
    PATH_NOT_FOUND(1006, 404, Blame.CALLER),
    METHOD_NOT_ALLOWED(1007, 405, Blame.CALLER),
    CONTENT_TYPE_UNSUPPORTED(1008, 415, Blame.CALLER),
    REQUEST_TIMEOUT(1009, 408, Blame.CALLER),
    CONTENT_ENCODING_UNSUPPORTED(1010, 415, Blame.CALLER),

    PICTURE_UNREACHABLE(1101, 400, Blame.CALLER),
    PICTURE_URL_REFUSED(1102, 400, Blame.CALLER),
    PICTURE_TOO_LARGE(1103, 413, Blame.CALLER),
    PICTURE_TYPE_UNSUPPORTED(1104, 415, Blame.CALLER),
    PICTURE_UNREADABLE(1105, 422, Blame.CALLER),
    PICTURE_TOO_MANY_PIXELS(1106, 422, Blame.CALLER),
    PICTURE_ASPECT_RATIO(1107, 422, Blame.CALLER),
    PIXEL_LIMITS_INVALID(1108, 400, Blame.CALLER),
    VIDEO_TOO_LONG(1109, 422, Blame.CALLER),
    FRAME_SAMPLING_INVALID(1110, 400, Blame.CALLER),
    MEDIUM_UNSUPPORTED(1111, 422, Blame.CALLER),
    PICTURE_TOO_COSTLY(1112, 422, Blame.CALLER),

    PROMPT_TOO_LONG(1201, 422, Blame.CALLER),
    PROMPT_UNSUPPORTED(1202, 422, Blame.CALLER),

    CANCELLED(1301, 499, Blame.CALLER),

    OVERLOADED(2001, 429, Blame.RESOURCES),
    STAGE_UNAVAILABLE(2002, 503, Blame.RESOURCES),
    DEADLINE_EXCEEDED(2003, 504, Blame.RESOURCES),
    OUT_OF_MEMORY(2004, 503, Blame.RESOURCES),

    INTERNAL(3001, 500, Blame.US),
    POISONED(3002, 500, Blame.US),
    PICTURE_LOST(3003, 500, Blame.US),
    PROTOCOL_VERSION(3004, 500, Blame.US),
    RECORD_UNREADABLE(3005, 500, Blame.US),

    CHECKPOINT_UNREADABLE(4001, 0, Blame.CALLER),
    CHECKPOINT_UNSUPPORTED(4002, 0, Blame.CALLER),
    BUNDLE_CORRUPT(4003, 0, Blame.CALLER),
    DISK_FULL(4004, 0, Blame.RESOURCES),
    PROCESSOR_UNSUPPORTED(4005, 0, Blame.CALLER),

    PORT_IN_USE(4101, 0, Blame.CALLER),
    START_FAILED(4102, 0, Blame.US),
    NOT_RUNNING(4103, 0, Blame.CALLER);

    private static final Map<Integer, ErrorCode> BY_NUMBER =
            Arrays.stream(values()).collect(Collectors.toUnmodifiableMap(ErrorCode::number, Function.identity()));

    private final int number;
    private final int httpStatus;
    private final Blame blame;

    ErrorCode(int number, int httpStatus, Blame blame) {
        this.number = number;
        this.httpStatus = httpStatus;
        this.blame = blame;
    }

    /** The number that stands for this code on the wire. */
    public int number() {
        return number;
    }

    /** The HTTP status that the gateway answers with, or 0 for a code that never reaches HTTP. */
    public int httpStatus() {
        return httpStatus;
    }

    public Blame blame() {
        return blame;
    }

    /** Whether the same request, unchanged, may succeed later. */
    public boolean retryable() {
        return blame == Blame.RESOURCES;
    }

    /** Whether the record that led here is kept on the dead-letter topic: defects of ours, never a caller's mistake. */
    public boolean deadLettered() {
        return blame == Blame.US;
    }

    /** The stable name in API error bodies and logs, such as {@code picture_unreadable}. */
    public String wireName() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** The code with this number; {@link #INTERNAL} for a number that a newer version introduced. */
    public static ErrorCode ofNumber(int number) {
        return BY_NUMBER.getOrDefault(number, INTERNAL);
    }
}
