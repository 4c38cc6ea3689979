package org.vlmserve.gateway.config;

import java.time.Duration;
import java.util.List;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/**
 * Which pages of other origins may call the API from a browser. API keys travel in a header, so cookies are never allowed along.
 *
 * @param allowedOrigins such as {@code https://chat.example.com}, with {@code *} for any part; none means that browsers may not call
 * @param allowedHeaders request headers that a page may set
 * @param maxAge how long a browser may remember the answer to its preflight request
 */
@ConfigurationProperties("vlm.cors")
public record CorsConfig(
        @DefaultValue List<String> allowedOrigins,
        @DefaultValue("*") List<String> allowedHeaders,
        @DefaultValue("1h") Duration maxAge) {

    public CorsConfig {
        allowedOrigins = List.copyOf(allowedOrigins);
        allowedHeaders = List.copyOf(allowedHeaders);
        Require.positive("vlm.cors.max-age", maxAge);
    }
}
