package org.vlmserve.system;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.vlmserve.messaging.TestBroker;
import org.vlmserve.messaging.Topics;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.EmbeddingSlice;
import org.vlmserve.protocol.FeatureSlice;
import org.vlmserve.protocol.ImageJob;
import org.vlmserve.protocol.LayoutReady;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.PromptJob;
import org.vlmserve.protocol.WireCodec;
import org.vlmserve.protocol.WireMessage;

/**
 * Where the time of requests went: the steps between the records that each left on the road, by the time at which the broker
 * appended them, which is to the millisecond. A step is what its record's writer did and how long the record before took to
 * reach that writer.
 */
final class RoadTrace {

    /** In the order in which a request with one picture passes them. */
    private enum Step {
        PROMPT("client → gateway → prompts"),
        IMAGE("gateway → images"),
        LAYOUT("images → encoder → layout: queue, picture decoding"),
        FEATURES("encoder → features: encoding"),
        EMBEDDINGS("features → projector → embeddings: queue, projecting"),
        STARTED("embeddings → decoder → Started: join, claim"),
        TOKEN("decoder → Token: splice, prefill"),
        ANSWER("tokens → gateway → client");

        private final String way;

        Step(String way) {
            this.way = way;
        }
    }

    /** A request as its client saw it. */
    record Asked(String requestId, Instant begin, Instant end) {}

    private final Map<String, EnumMap<Step, Instant>> passed = new HashMap<>();

    /** Reads what the requests of one model left on the road. */
    RoadTrace(ModelRef model) {
        for (String topic : Topics.all(model)) {
            for (TestBroker.Logged record : TestBroker.log(topic)) {
                note(WireCodec.decode(record.value()), record.at());
            }
        }
    }

    private void note(WireMessage message, Instant at) {
        switch (message) {
            case PromptJob m -> note(m.envelope().requestId(), Step.PROMPT, at);
            case ImageJob m -> note(m.envelope().requestId(), Step.IMAGE, at);
            case LayoutReady m -> note(m.envelope().requestId(), Step.LAYOUT, at);
            case FeatureSlice m -> note(m.envelope().requestId(), Step.FEATURES, at);
            case EmbeddingSlice m -> note(m.envelope().requestId(), Step.EMBEDDINGS, at);
            case AnswerEvent.Started m -> note(m.requestId(), Step.STARTED, at);
            case AnswerEvent.Token m -> note(m.requestId(), Step.TOKEN, at);
            default -> {}
        }
    }

    /** Of several records of a kind, the last slice of a picture and the first token matter. */
    private void note(String requestId, Step step, Instant at) {
        passed.computeIfAbsent(requestId, any -> new EnumMap<>(Step.class))
                .merge(step, at, (one, other) -> one.isBefore(other) == (step == Step.TOKEN) ? one : other);
    }

    /** A line for each step: the mean of the middle half, because clocks of milliseconds have coarse medians. */
    List<String> lines(List<Asked> asked) {
        List<String> lines = new ArrayList<>();
        for (Step step : Step.values()) {
            double[] millis = asked.stream()
                    .mapToDouble(one -> millis(one, step))
                    .sorted()
                    .toArray();
            double middle = Arrays.stream(millis, millis.length / 4, millis.length - millis.length / 4)
                    .average()
                    .orElse(Double.NaN);
            lines.add(String.format(Locale.ROOT, "%6.1f ms  %s", middle, step.way));
        }
        return lines;
    }

    private double millis(Asked one, Step step) {
        Map<Step, Instant> times = passed.getOrDefault(one.requestId(), new EnumMap<>(Step.class));
        Instant before = step == Step.PROMPT ? one.begin() : times.get(Step.values()[step.ordinal() - 1]);
        Instant after = step == Step.ANSWER ? one.end() : times.get(step);
        if (before == null || after == null) {
            throw new IllegalStateException("request " + one.requestId() + " left only " + times + " on the road");
        }
        return Duration.between(before, after).toNanos() / 1e6;
    }
}
