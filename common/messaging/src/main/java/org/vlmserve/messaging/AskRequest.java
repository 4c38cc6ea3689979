package org.vlmserve.messaging;

import java.time.Instant;
import java.util.List;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.Sampling;

/**
 * What the gateway asks of the road, in the caller's terms: no route, key or revision yet.
 *
 * @param requestId unique
 * @param model the name, without revision
 * @param templateArguments further names for the chat template, a JSON object
 * @param pictures pictures and videos with the caller's limits; {@link ChatTurn.Visual} parts index this list
 * @param traceParent W3C trace context, or the empty string
 */
public record AskRequest(
        String requestId,
        String model,
        String tenant,
        Instant deadline,
        List<ChatTurn> turns,
        String templateArguments,
        List<PictureInput> pictures,
        Sampling sampling,
        String traceParent) {

    public AskRequest {
        turns = List.copyOf(turns);
        pictures = List.copyOf(pictures);
    }

    public record PictureInput(PictureFiles content, PixelLimits limits) {}
}
