package org.vlmserve.messaging;

import java.time.Duration;
import java.util.Map;

/**
 * How to reach and use the broker.
 *
 * @param bootstrapServers host:port, comma-separated
 * @param routes partitions of {@code prompts}, {@code embeddings} and {@code tokens}, when a topic is created
 * @param replicationFactor of topics that are created; -1 takes the broker's default
 * @param lockDuration how long a queued job stays with a silent worker before another gets it
 * @param maxDeliveries after so many deliveries a job counts as poisoned
 * @param statusInterval how often an instance reports itself
 * @param silence how long an instance may be silent before it counts as gone
 * @param client further settings for every Kafka client, such as {@code security.protocol}
 */
public record RoadConfig(
        String bootstrapServers,
        int routes,
        short replicationFactor,
        Duration lockDuration,
        int maxDeliveries,
        Duration statusInterval,
        Duration silence,
        Map<String, String> client) {

    public RoadConfig {
        client = Map.copyOf(client);
    }

    public RoadConfig(
            String bootstrapServers,
            int routes,
            short replicationFactor,
            Duration lockDuration,
            int maxDeliveries,
            Duration statusInterval,
            Duration silence) {
        this(
                bootstrapServers,
                routes,
                replicationFactor,
                lockDuration,
                maxDeliveries,
                statusInterval,
                silence,
                Map.of());
    }

    public static RoadConfig of(String bootstrapServers) {
        return new RoadConfig(
                bootstrapServers,
                8,
                (short) -1,
                Duration.ofSeconds(15),
                3,
                Duration.ofSeconds(1),
                Duration.ofSeconds(5));
    }
}
