package org.vlmserve.gateway.config;

import java.time.Duration;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;
import org.springframework.util.unit.DataSize;

/**
 * What a connection has to bring, and when.
 *
 * @param idleTimeout until a request's header is complete, from the connection's begin or the response before; then the connection is closed
 * @param bodyTimeout the span of time in which a body's rate is measured; too little in one of them ends the request with 408
 * @param minBodyRate bytes a second, on average over each such span
 */
@ConfigurationProperties("vlm.connection")
public record ConnectionConfig(
        @DefaultValue("60s") Duration idleTimeout,
        @DefaultValue("10s") Duration bodyTimeout,
        @DefaultValue("1KB") DataSize minBodyRate) {

    public ConnectionConfig {
        Require.positive("vlm.connection.idle-timeout", idleTimeout);
        Require.positive("vlm.connection.body-timeout", bodyTimeout);
        Require.within("vlm.connection.min-body-rate", minBodyRate.toBytes(), 1, 1L << 30);
    }
}
