package org.vlmserve.decoder;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.function.Supplier;
import org.vlmserve.protocol.ModelRef;

/** What an operator sees of a decoder, tagged with model and revision. */
final class DecoderMetrics {

    final Counter prefillTokens;
    final Counter reusedTokens;
    final Counter answerTokens;
    final Counter failures;
    final DistributionSummary batch;
    final Timer prefillStep;
    final Timer decodeStep;

    DecoderMetrics(MeterRegistry meters, ModelRef model, int slots, Supplier<Number> busy, Supplier<Number> waiting) {
        String[] tags = {"model", model.model(), "revision", model.revision()};
        prefillTokens = Counter.builder("vlm.decoder.prefill.tokens")
                .description("prompt positions that were computed")
                .tags(tags)
                .register(meters);
        reusedTokens = Counter.builder("vlm.decoder.reused.tokens")
                .description("prompt positions that were found in a cache")
                .tags(tags)
                .register(meters);
        answerTokens = Counter.builder("vlm.decoder.answer.tokens")
                .description("generated tokens")
                .tags(tags)
                .register(meters);
        failures = Counter.builder("vlm.decoder.failures")
                .description("requests that a defect of ours ended")
                .tags(tags)
                .register(meters);
        batch = DistributionSummary.builder("vlm.decoder.batch")
                .description("requests in one decode step")
                .tags(tags)
                .register(meters);
        prefillStep = Timer.builder("vlm.decoder.step")
                .description("one run of the language model")
                .tags(tags)
                .tag("kind", "prefill")
                .publishPercentileHistogram()
                .register(meters);
        decodeStep = Timer.builder("vlm.decoder.step")
                .description("one run of the language model")
                .tags(tags)
                .tag("kind", "decode")
                .publishPercentileHistogram()
                .register(meters);
        Gauge.builder("vlm.decoder.slots", () -> slots)
                .description("requests that can be answered at once")
                .tags(tags)
                .register(meters);
        Gauge.builder("vlm.decoder.busy", busy)
                .description("requests that prefill or decode")
                .tags(tags)
                .register(meters);
        Gauge.builder("vlm.decoder.waiting", waiting)
                .description("requests that wait for a slot")
                .tags(tags)
                .register(meters);
    }
}
