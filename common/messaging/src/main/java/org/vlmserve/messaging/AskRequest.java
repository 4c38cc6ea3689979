package org.vlmserve.messaging;

import java.time.Instant;
import java.util.List;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.Sampling;

/**
 * What the gateway asks of the road, in the caller's terms: no route, key or revision yet.
 *
 * @param requestId unique
 * @param model the name, without revision
 * @param pictures file bytes with the caller's limits; {@link ChatTurn.Picture} parts index this list
 * @param traceParent W3C trace context, or the empty string
 */
public record AskRequest(
        String requestId,
        String model,
        String tenant,
        Instant deadline,
        List<ChatTurn> turns,
        List<PictureInput> pictures,
        Sampling sampling,
        String traceParent) {

    public AskRequest {
        turns = List.copyOf(turns);
        pictures = List.copyOf(pictures);
    }

    public record PictureInput(byte[] content, PixelLimits limits) {}
}
