package org.vlmserve.protocol;

/** Topic {@code vlm.control}: nobody waits for this request any more. */
public record CancelRequest(String requestId) implements WireMessage {}
