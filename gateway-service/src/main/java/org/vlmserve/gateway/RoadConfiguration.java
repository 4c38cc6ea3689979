package org.vlmserve.gateway;

import io.micrometer.core.instrument.MeterRegistry;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.UUID;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.health.contributor.Health;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.vlmserve.gateway.config.KafkaConfig;
import org.vlmserve.messaging.RequestRoad;
import org.vlmserve.messaging.Road;

/** The road over Kafka, unless another is given. Spring closes the request end before the road. */
@Configuration(proxyBeanMethods = false)
@ConditionalOnMissingBean(RequestRoad.class)
class RoadConfiguration {

    @Bean
    Road kafkaRoad(KafkaConfig config, MeterRegistry registry) {
        return new Road(config.toRoadConfig(), instance(), registry);
    }

    @Bean
    RequestRoad requestRoad(Road kafkaRoad) {
        return kafkaRoad.requests();
    }

    /** Down once a part of the road has failed for good: the process should be replaced. */
    @Bean
    HealthIndicator road(Road kafkaRoad) {
        return () -> kafkaRoad
                .failure()
                .map(failure -> Health.down(failure).build())
                .orElseGet(() -> Health.up().build());
    }

    private static String instance() {
        String host;
        try {
            host = InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            // A host without a name of its own: the random part alone is unique.
            host = "unnamed";
        }
        return "gateway-" + host + "-" + UUID.randomUUID().toString().substring(0, 8);
    }
}
