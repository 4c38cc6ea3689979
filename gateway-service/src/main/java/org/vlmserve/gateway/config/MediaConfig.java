package org.vlmserve.gateway.config;

import java.time.Duration;
import java.util.List;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;
import org.vlmserve.protocol.Rendering;

/**
 * How pictures are fetched from http and https URLs, and read.
 *
 * @param fetchUrls whether URLs are fetched at all; {@code data:} URLs always work
 * @param allowedHosts {@code host} or {@code host:port}, exempt from the rule that addresses must be public
 * @param connectTimeout for one connection
 * @param timeout for one picture: name resolution, all redirects and the body
 * @param maxRedirects followed, each checked like the first URL
 * @param concurrency pictures of one request that are fetched at once
 * @param rendering of transparency and 16-bit grey, where a request does not say
 * @param contact a URL or mail address that is told to the hosts, for them to complain
 */
@ConfigurationProperties("vlm.media")
public record MediaConfig(
        @DefaultValue("true") boolean fetchUrls,
        @DefaultValue List<String> allowedHosts,
        @DefaultValue("5s") Duration connectTimeout,
        @DefaultValue("20s") Duration timeout,
        @DefaultValue("3") int maxRedirects,
        @DefaultValue("4") int concurrency,
        @DefaultValue("viewer") Rendering rendering,
        @DefaultValue("") String contact) {

    public MediaConfig {
        allowedHosts = List.copyOf(allowedHosts);
        Require.positive("vlm.media.connect-timeout", connectTimeout);
        Require.positive("vlm.media.timeout", timeout);
        Require.within("vlm.media.max-redirects", maxRedirects, 0, 20);
        Require.within("vlm.media.concurrency", concurrency, 1, 64);
        if (!contact.matches("[!-~ ]{0,200}") || contact.contains("(") || contact.contains(")")) {
            throw new IllegalArgumentException("vlm.media.contact is '" + contact
                    + "', expected a URL or mail address in ASCII, without parentheses");
        }
    }
}
