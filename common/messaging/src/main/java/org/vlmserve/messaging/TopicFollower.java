package org.vlmserve.messaging;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.WakeupException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads every partition of one small topic, without a group, from a little before now and on. The topic may be created
 * later than the follower.
 */
final class TopicFollower implements AutoCloseable {

    private static final Logger log = LoggerFactory.getLogger(TopicFollower.class);

    /** Takes one record after the other, on the follower's thread. */
    interface Reader {

        /** @param backlog whether the record was there before the follower */
        void read(ConsumerRecord<String, byte[]> record, boolean backlog);
    }

    private final KafkaConsumer<String, byte[]> consumer;
    private final String topic;
    private final Duration back;
    private final Reader reader;
    private final Map<TopicPartition, Long> ends = new HashMap<>();
    private final Thread thread;
    private volatile boolean closing;
    private volatile @Nullable Throwable failure;

    TopicFollower(RoadConfig config, String clientId, String topic, Duration back, Reader reader) {
        this.consumer = KafkaClients.follower(config, clientId);
        this.topic = topic;
        this.back = back;
        this.reader = reader;
        this.thread =
                Thread.ofPlatform().name("vlm-" + Topics.kind(topic)).daemon().start(this::run);
    }

    /** Why reading ended for good, if it did. */
    Optional<Throwable> failure() {
        return Optional.ofNullable(failure);
    }

    private void run() {
        try (consumer) {
            while (!closing && !assigned()) {
                Thread.sleep(100);
            }
            while (!closing) {
                for (ConsumerRecord<String, byte[]> record : consumer.poll(Duration.ofMillis(500))) {
                    long end = ends.getOrDefault(new TopicPartition(topic, record.partition()), 0L);
                    reader.read(record, record.offset() < end);
                }
            }
        } catch (WakeupException | InterruptedException e) {
            log.debug("{} is no longer read", topic);
        } catch (RuntimeException e) {
            failure = e;
            log.error("{} can no longer be read", topic, e);
        }
    }

    private boolean assigned() {
        try {
            return assign();
        } catch (RetriableException e) {
            log.warn("{} cannot be read yet: {}", topic, e.getMessage());
            return false;
        }
    }

    private boolean assign() {
        List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
                .map(info -> new TopicPartition(topic, info.partition()))
                .toList();
        if (partitions.isEmpty()) {
            return false;
        }
        consumer.assign(partitions);
        consumer.seekToEnd(partitions);
        partitions.forEach(partition -> ends.put(partition, consumer.position(partition)));
        long since = System.currentTimeMillis() - back.toMillis();
        Map<TopicPartition, OffsetAndTimestamp> starts =
                consumer.offsetsForTimes(partitions.stream().collect(Collectors.toMap(p -> p, p -> since)));
        for (TopicPartition partition : partitions) {
            OffsetAndTimestamp start = starts.get(partition);
            if (start != null) {
                consumer.seek(partition, start.offset());
            }
        }
        return true;
    }

    @Override
    public void close() {
        closing = true;
        consumer.wakeup();
        Threads.join(thread, Duration.ofSeconds(5));
    }
}
