package org.vlmserve.gateway.config;

import java.time.Duration;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;
import org.springframework.util.unit.DataSize;

/**
 * How answers are streamed.
 *
 * @param keepAlive after so long without anything to send, a comment is sent
 * @param bufferedBytes heap of the events that may wait for a slow reader; with more its request is cancelled
 * @param writeTimeout a connection that takes no bytes for so long is closed
 */
@ConfigurationProperties("vlm.stream")
public record StreamConfig(
        @DefaultValue("10s") Duration keepAlive,
        @DefaultValue("128KB") DataSize bufferedBytes,
        @DefaultValue("60s") Duration writeTimeout) {

    public StreamConfig {
        Require.positive("vlm.stream.keep-alive", keepAlive);
        Require.within("vlm.stream.buffered-bytes", bufferedBytes.toBytes(), 1, 1L << 30);
        Require.positive("vlm.stream.write-timeout", writeTimeout);
    }
}
