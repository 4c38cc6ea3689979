package org.vlmserve.gateway.config;

import java.time.Duration;
import java.util.Map;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;
import org.vlmserve.messaging.RoadConfig;

/** The road's settings as properties; {@link RoadConfig} explains each. */
@ConfigurationProperties("vlm.kafka")
public record KafkaConfig(
        @DefaultValue("localhost:9092") String bootstrapServers,
        @DefaultValue("8") int routes,
        @DefaultValue("-1") short replicationFactor,
        @DefaultValue("15s") Duration lockDuration,
        @DefaultValue("3") int maxDeliveries,
        @DefaultValue("1s") Duration statusInterval,
        @DefaultValue("5s") Duration silence,
        @DefaultValue Map<String, String> client) {

    public RoadConfig toRoadConfig() {
        return new RoadConfig(
                bootstrapServers,
                routes,
                replicationFactor,
                lockDuration,
                maxDeliveries,
                statusInterval,
                silence,
                client);
    }
}
