package org.vlmserve.gateway.http;

import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.ErrorCode;

/**
 * One HTTP call, from its first header to its last byte: what the log line and the metrics tell of it. Written by the
 * signals of one exchange, which happen one after another.
 */
public final class Call {

    private static final String ATTRIBUTE = Call.class.getName();

    private final String requestId;
    private final long startedNanos = System.nanoTime();
    private String tenant = "";
    private String model = "";
    private String answerId = "";
    private boolean stream;
    private boolean bodyTaken;
    private int completionTokens;
    private @Nullable ErrorCode error;

    Call(String requestId) {
        this.requestId = requestId;
    }

    /** The call that {@link RequestFilter} put among these attributes of its exchange. */
    public static Call of(Map<String, Object> attributes) {
        return (Call) Objects.requireNonNull(attributes.get(ATTRIBUTE), "the request filter ran before");
    }

    void attachTo(Map<String, Object> attributes) {
        attributes.put(ATTRIBUTE, this);
    }

    /** As the caller sent it or as it was made here; not unique. */
    public String requestId() {
        return requestId;
    }

    public Duration elapsed() {
        return Duration.ofNanos(System.nanoTime() - startedNanos);
    }

    public String tenant() {
        return tenant;
    }

    void tenant(String tenant) {
        this.tenant = tenant;
    }

    /** The model asked for, once it is known to exist; else empty, so that metrics stay bounded. */
    public String model() {
        return model;
    }

    public void model(String model) {
        this.model = model;
    }

    /** The id of the answer, unique; empty until there is one. */
    public String answerId() {
        return answerId;
    }

    public void answerId(String answerId) {
        this.answerId = answerId;
    }

    public boolean stream() {
        return stream;
    }

    public void stream(boolean stream) {
        this.stream = stream;
    }

    boolean bodyTaken() {
        return bodyTaken;
    }

    void takeBody() {
        bodyTaken = true;
    }

    public int completionTokens() {
        return completionTokens;
    }

    public void completionTokens(int completionTokens) {
        this.completionTokens = completionTokens;
    }

    /** Why the call failed, or null while it has not. */
    public @Nullable ErrorCode error() {
        return error;
    }

    public void error(ErrorCode error) {
        this.error = error;
    }
}
