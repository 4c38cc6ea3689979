package org.vlmserve.messaging;

import java.time.Instant;
import java.util.List;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.PlanJob;

/**
 * Asks what pictures would cost a model, without encoding them.
 *
 * @param requestId unique
 * @param model the name, without revision
 * @param pictures at least one
 * @param traceParent W3C trace context, or the empty string
 */
public record PlanRequest(
        String requestId, String model, String tenant, Instant deadline, List<PlanInput> pictures, String traceParent) {

    public PlanRequest {
        pictures = List.copyOf(pictures);
    }

    public record PlanInput(PlanJob.Subject subject, PixelLimits limits) {}
}
