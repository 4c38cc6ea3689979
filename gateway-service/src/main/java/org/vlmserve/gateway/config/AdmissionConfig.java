package org.vlmserve.gateway.config;

import java.time.Duration;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;
import org.springframework.util.unit.DataSize;

/**
 * What may be in flight at once; beyond it callers get 429.
 *
 * @param maxRequests from admission to the last byte of the answer
 * @param maxBytes heap of all requests in flight: bodies, pictures, what is made of them on the way, and answers that are collected
 * @param retryAfter what 429 and 503 tell the caller to wait; sent in whole seconds, rounded up
 */
@ConfigurationProperties("vlm.admission")
public record AdmissionConfig(
        @DefaultValue("256") int maxRequests,
        @DefaultValue("192MB") DataSize maxBytes,
        @DefaultValue("2s") Duration retryAfter) {

    public AdmissionConfig {
        Require.within("vlm.admission.max-requests", maxRequests, 1, 1_000_000);
        Require.within("vlm.admission.max-bytes", maxBytes.toBytes(), 1, Long.MAX_VALUE);
        Require.positive("vlm.admission.retry-after", retryAfter);
    }
}
