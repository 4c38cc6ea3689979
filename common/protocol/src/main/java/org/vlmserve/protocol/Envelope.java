package org.vlmserve.protocol;

import java.time.Instant;

/**
 * What every message of one request carries.
 *
 * @param requestId unique; also the record key on {@code tokens}
 * @param tenant whose data this is; part of every picture key, so that nothing is shared between tenants
 * @param route the partition of {@code prompts}, {@code embeddings} and {@code tokens}, chosen once by the gateway
 * @param createdAt when the gateway admitted the request
 * @param deadline when nobody waits for the answer any more
 * @param traceParent W3C trace context, or the empty string
 */
public record Envelope(
        String requestId,
        ModelRef model,
        String tenant,
        int route,
        Instant createdAt,
        Instant deadline,
        String traceParent) {

    public boolean expired(Instant now) {
        return !now.isBefore(deadline);
    }
}
