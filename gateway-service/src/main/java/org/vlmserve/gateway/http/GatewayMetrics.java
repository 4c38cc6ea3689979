package org.vlmserve.gateway.http;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.AnswerEvent.Usage;
import org.vlmserve.protocol.error.ErrorCode;

/** The gateway's meters; {@code docs/api.md} lists them. */
public final class GatewayMetrics {

    private final MeterRegistry registry;

    public GatewayMetrics(MeterRegistry registry, Admission admission) {
        this.registry = registry;
        Gauge.builder("vlm.gateway.requests.in.flight", admission, Admission::requestsInFlight)
                .description("requests admitted and not yet answered to the end")
                .register(registry);
        Gauge.builder("vlm.gateway.bytes.in.flight", admission, Admission::bytesInFlight)
                .description("heap that requests hold, from their body's first byte")
                .register(registry);
    }

    void requestDone(Call call, int status, @Nullable ErrorCode error) {
        Timer.builder("vlm.gateway.requests")
                .description("calls to /v1, to the last byte")
                .tag("status", Integer.toString(status))
                .tag("code", error == null ? "none" : error.wireName())
                .tag("model", call.model().isEmpty() ? "none" : call.model())
                .tag("stream", Boolean.toString(call.stream()))
                .register(registry)
                .record(call.elapsed());
    }

    public void firstToken(String model, Duration sinceRequest) {
        Timer.builder("vlm.gateway.first.token")
                .description("from a request's first header to its first token")
                .tag("model", model)
                .publishPercentileHistogram()
                .register(registry)
                .record(sinceRequest);
    }

    public void tokens(String model, Usage usage) {
        count(model, "prompt", usage.promptTokens());
        count(model, "picture", usage.pictureTokens());
        count(model, "cached", usage.cachedTokens());
        count(model, "completion", usage.completionTokens());
    }

    /** @param kinds rows of the tables of fields, from a bounded set */
    public void ignored(Set<String> kinds) {
        kinds.forEach(field ->
                registry.counter("vlm.gateway.ignored.fields", "field", field).increment());
    }

    private void count(String model, String kind, int amount) {
        registry.counter("vlm.gateway.tokens", "model", model, "kind", kind).increment(amount);
    }
}
