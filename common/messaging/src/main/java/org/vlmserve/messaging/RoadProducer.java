package org.vlmserve.messaging;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.CompletableFuture;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.CancelRequest;
import org.vlmserve.protocol.DeadLetter;
import org.vlmserve.protocol.EmbeddingSlice;
import org.vlmserve.protocol.Envelope;
import org.vlmserve.protocol.FeatureSlice;
import org.vlmserve.protocol.ImageJob;
import org.vlmserve.protocol.InstanceStatus;
import org.vlmserve.protocol.LayoutReady;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.PictureFailed;
import org.vlmserve.protocol.PlanJob;
import org.vlmserve.protocol.PromptJob;
import org.vlmserve.protocol.TileJob;
import org.vlmserve.protocol.WireCodec;
import org.vlmserve.protocol.WireMessage;
import org.vlmserve.protocol.error.ErrorCode;

/** A process's one producer: knows where each record belongs, and keeps the order within a partition. Thread-safe. */
final class RoadProducer implements AutoCloseable {

    private final String instance;
    private final KafkaProducer<String, byte[]> kafka;
    private final MeterRegistry metrics;

    RoadProducer(RoadConfig config, String instance, MeterRegistry metrics) {
        this.instance = instance;
        this.kafka = KafkaClients.producer(config, instance);
        this.metrics = metrics;
    }

    /** Sends a record that carries an envelope to the topic of its kind. */
    CompletableFuture<@Nullable Void> send(WireMessage message) {
        return switch (message) {
            case ImageJob m ->
                send(Topics.images(m.envelope().model()), null, m.picture().hex(), m);
            case TileJob m ->
                send(Topics.images(m.envelope().model()), null, m.picture().hex() + ":" + m.tile(), m);
            case PlanJob m ->
                send(Topics.plans(m.envelope().model()), null, m.envelope().requestId() + ":" + m.index(), m);
            case FeatureSlice m ->
                // The row is in the key, so that the slices of one picture spread over the partitions; so is the tile.
                send(Topics.features(m.envelope().model()), null, m.picture().hex() + ":" + m.firstRow(), m);
            case LayoutReady m -> embedding(m.envelope(), m.picture().hex(), m);
            case EmbeddingSlice m -> embedding(m.envelope(), m.picture().hex(), m);
            case PictureFailed m -> embedding(m.envelope(), m.picture().hex(), m);
            case PromptJob m ->
                send(
                        Topics.prompts(m.envelope().model()),
                        m.envelope().route(),
                        m.envelope().requestId(),
                        m);
            case CancelRequest m -> send(Topics.CONTROL, null, m.requestId(), m);
            case InstanceStatus m -> send(Topics.STATUS, null, m.instance(), m);
            case DeadLetter m -> send(Topics.dead(m.topic()), null, null, m);
            case AnswerEvent m ->
                throw new IllegalArgumentException("an answer's topic depends on its model and route: " + m);
        };
    }

    private CompletableFuture<@Nullable Void> embedding(Envelope envelope, String key, WireMessage message) {
        return send(Topics.embeddings(envelope.model()), envelope.route(), key, message);
    }

    CompletableFuture<@Nullable Void> answer(ModelRef model, int route, AnswerEvent event) {
        return send(Topics.tokens(model), route, event.requestId(), event);
    }

    CompletableFuture<@Nullable Void> deadLetter(ConsumerRecord<?, byte[]> record, ErrorCode code, String detail) {
        return send(new DeadLetter(
                record.topic(),
                record.partition(),
                record.offset(),
                code,
                detail,
                instance,
                Instant.now(),
                record.value() == null ? new byte[0] : record.value()));
    }

    /** Tells the board at once that an instance is gone. */
    CompletableFuture<@Nullable Void> tombstone(String ofInstance) {
        return raw(Topics.STATUS, null, ofInstance, null);
    }

    private CompletableFuture<@Nullable Void> send(
            String topic, @Nullable Integer partition, @Nullable String key, WireMessage message) {
        return raw(topic, partition, key, WireCodec.encode(message));
    }

    /** Puts a queued job back at the end of its queue, with what its deliveries have come to so far. */
    CompletableFuture<@Nullable Void> putBack(ConsumerRecord<String, byte[]> job, int failedDeliveries) {
        ProducerRecord<String, byte[]> again = new ProducerRecord<>(job.topic(), null, job.key(), job.value());
        Records.failedDeliveries(again, failedDeliveries);
        return raw(again);
    }

    private CompletableFuture<@Nullable Void> raw(
            String topic, @Nullable Integer partition, @Nullable String key, byte @Nullable [] value) {
        return raw(new ProducerRecord<>(topic, partition, key, value));
    }

    private CompletableFuture<@Nullable Void> raw(ProducerRecord<String, byte[]> record) {
        CompletableFuture<@Nullable Void> acknowledged = new CompletableFuture<>();
        String kind = Topics.kind(record.topic());
        long start = System.nanoTime();
        try {
            kafka.send(record, (metadata, error) -> {
                if (error == null) {
                    Timer.builder("vlm.produce.latency")
                            .tag("topic", kind)
                            .register(metrics)
                            .record(Duration.ofNanos(System.nanoTime() - start));
                    Counter.builder("vlm.produce.bytes")
                            .tag("topic", kind)
                            .baseUnit("bytes")
                            .register(metrics)
                            .increment(record.value() == null ? 0 : record.value().length);
                    acknowledged.complete(null);
                } else {
                    acknowledged.completeExceptionally(error);
                }
            });
        } catch (KafkaException | IllegalStateException | IllegalArgumentException e) {
            // Thrown rather than reported when the producer is closed or the record cannot even be queued, as with a
            // route
            // below zero.
            acknowledged.completeExceptionally(e);
        }
        return acknowledged;
    }

    @Override
    public void close() {
        kafka.close(Duration.ofSeconds(5));
    }
}
