package org.vlmserve.messaging;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.CommonClientConfigs;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.vlmserve.protocol.ProtocolLimits;

/** Builds Kafka clients whose size limits and time-outs fit together. Keys are text, values are records' bytes. */
final class KafkaClients {

    /** A record batch adds less than this to the value: key, headers, framing. */
    private static final int FRAMING = 16 << 10;

    /** What a topic, a producer and a consumer of {@code images} must let through. */
    static final int MAX_BATCH_BYTES = ProtocolLimits.MAX_RECORD_BYTES + FRAMING;

    static final Duration REQUEST_TIMEOUT = Duration.ofSeconds(10);

    private KafkaClients() {}

    private static Map<String, Object> base(RoadConfig config, String clientId) {
        Map<String, Object> settings = new HashMap<>(config.client());
        settings.put(CommonClientConfigs.BOOTSTRAP_SERVERS_CONFIG, config.bootstrapServers());
        settings.put(CommonClientConfigs.CLIENT_ID_CONFIG, clientId);
        settings.put(CommonClientConfigs.REQUEST_TIMEOUT_MS_CONFIG, (int) REQUEST_TIMEOUT.toMillis());
        // A broker that comes back should be met at once, not after the default's growing pauses.
        settings.put(CommonClientConfigs.RECONNECT_BACKOFF_MAX_MS_CONFIG, 500);
        return settings;
    }

    /** Every record acknowledged by all replicas, in order, without waiting for company. */
    static KafkaProducer<String, byte[]> producer(RoadConfig config, String clientId) {
        Map<String, Object> settings = base(config, clientId);
        settings.put(ProducerConfig.ACKS_CONFIG, "all");
        settings.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
        settings.put(ProducerConfig.LINGER_MS_CONFIG, 0);
        settings.put(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, MAX_BATCH_BYTES);
        settings.put(ProducerConfig.BUFFER_MEMORY_CONFIG, 3L * MAX_BATCH_BYTES);
        settings.put(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, 30_000);
        settings.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, REQUEST_TIMEOUT.toMillis());
        return new KafkaProducer<>(settings, new StringSerializer(), new ByteArraySerializer());
    }

    private static Map<String, Object> reader(RoadConfig config, String clientId) {
        Map<String, Object> settings = base(config, clientId);
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        settings.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
        settings.put(ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, false);
        settings.put(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, (int) REQUEST_TIMEOUT.toMillis());
        settings.put(ConsumerConfig.FETCH_MAX_BYTES_CONFIG, 16 << 20);
        settings.put(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, 2 * ProtocolLimits.MAX_SLICE_BYTES);
        // A topic that was just created should be seen soon.
        settings.put(ConsumerConfig.METADATA_MAX_AGE_CONFIG, 30_000);
        return settings;
    }

    /** A reader that assigns itself its partitions. */
    static KafkaConsumer<String, byte[]> follower(RoadConfig config, String clientId) {
        return new KafkaConsumer<>(reader(config, clientId), new StringDeserializer(), new ByteArrayDeserializer());
    }

    /**
     * A member of the decoders' group. The classic protocol, because its session time-out is the member's own choice: at six
     * seconds, the least that brokers allow by default, a dead decoder's routes move quickly. Cooperative, so that a
     * rebalance takes nothing from a member but the routes that move.
     */
    static KafkaConsumer<String, byte[]> member(RoadConfig config, String clientId, String group) {
        Map<String, Object> settings = reader(config, clientId);
        settings.put(ConsumerConfig.GROUP_ID_CONFIG, group);
        settings.put(ConsumerConfig.GROUP_PROTOCOL_CONFIG, "classic");
        settings.put(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, 6_000);
        settings.put(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, 1_000);
        settings.put(ConsumerConfig.PARTITION_ASSIGNMENT_STRATEGY_CONFIG, List.of(CooperativeStickyAssignor.class));
        return new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer());
    }

    /** A worker of a queue: one record at a time, acknowledged one by one. */
    static KafkaShareConsumer<String, byte[]> worker(RoadConfig config, String clientId, String group) {
        Map<String, Object> settings = base(config, clientId);
        settings.put(ConsumerConfig.GROUP_ID_CONFIG, group);
        settings.put(ConsumerConfig.SHARE_ACKNOWLEDGEMENT_MODE_CONFIG, "explicit");
        // Only this mode keeps to max.poll.records; the other hands over whole batches, whose locks run out unseen.
        settings.put(ConsumerConfig.SHARE_ACQUIRE_MODE_CONFIG, "record_limit");
        settings.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 1);
        settings.put(ConsumerConfig.FETCH_MAX_BYTES_CONFIG, MAX_BATCH_BYTES);
        settings.put(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, MAX_BATCH_BYTES);
        settings.put(ConsumerConfig.METADATA_MAX_AGE_CONFIG, 30_000);
        return new KafkaShareConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer());
    }

    static Admin admin(RoadConfig config, String clientId) {
        Map<String, Object> settings = base(config, clientId);
        settings.put(AdminClientConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, (int) REQUEST_TIMEOUT.toMillis());
        return Admin.create(settings);
    }
}
