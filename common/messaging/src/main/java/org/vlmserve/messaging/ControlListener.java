package org.vlmserve.messaging;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vlmserve.protocol.CancelRequest;
import org.vlmserve.protocol.error.VlmException;

/**
 * Remembers for which requests nobody waits any more, from {@code vlm.control}. Thread-safe. A request is forgotten after
 * fifteen minutes, when its records have left the road, or when a hundred thousand later ones were cancelled.
 */
public final class ControlListener implements AutoCloseable {

    private static final Logger log = LoggerFactory.getLogger(ControlListener.class);
    private static final Duration KEPT = Duration.ofMinutes(15);
    private static final int MOST = 100_000;
    /** A job may be taken by an instance that started after its request was cancelled. */
    private static final Duration BACK = Duration.ofMinutes(2);

    private final Map<String, Long> cancelled = new LinkedHashMap<>();
    private final TopicFollower follower;

    ControlListener(RoadConfig config, String instance) {
        this.follower = new TopicFollower(config, instance + "-control", Topics.CONTROL, BACK, this::read);
    }

    private void read(ConsumerRecord<String, byte[]> record, boolean backlog) {
        try {
            add(Records.decode(record, CancelRequest.class).requestId());
        } catch (VlmException e) {
            // Every instance reads this topic, so none of them owns the record; its writer's request ends by deadline.
            log.warn("{} offset {}: {}", record.topic(), record.offset(), e.getMessage());
        }
    }

    private synchronized void add(String requestId) {
        long now = System.nanoTime();
        cancelled.put(requestId, now);
        var oldest = cancelled.entrySet().iterator();
        while (oldest.hasNext()) {
            boolean old = now - oldest.next().getValue() > KEPT.toNanos();
            if (!old && cancelled.size() <= MOST) {
                break;
            }
            oldest.remove();
        }
    }

    public synchronized boolean isCancelled(String requestId) {
        return cancelled.containsKey(requestId);
    }

    Optional<Throwable> failure() {
        return follower.failure();
    }

    @Override
    public void close() {
        follower.close();
    }
}
