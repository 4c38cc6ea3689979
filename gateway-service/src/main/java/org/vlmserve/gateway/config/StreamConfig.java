package org.vlmserve.gateway.config;

import java.time.Duration;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/**
 * How answers are streamed.
 *
 * @param keepAlive after so long without anything to send, a comment is sent
 * @param bufferedEvents events that may wait for a slow reader; with one more its request is cancelled
 * @param writeTimeout a connection that takes no bytes for so long is closed
 */
@ConfigurationProperties("vlm.stream")
public record StreamConfig(
        @DefaultValue("10s") Duration keepAlive,
        @DefaultValue("1024") int bufferedEvents,
        @DefaultValue("60s") Duration writeTimeout) {

    public StreamConfig {
        Require.positive("vlm.stream.keep-alive", keepAlive);
        Require.within("vlm.stream.buffered-events", bufferedEvents, 1, 1_000_000);
        Require.positive("vlm.stream.write-timeout", writeTimeout);
    }
}
