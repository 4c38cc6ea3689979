package org.vlmserve.gateway.http;

import java.util.Set;
import org.springframework.http.HttpMethod;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.WebHandler;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import reactor.core.publisher.Mono;

/** A handler for one method; all others get 405. */
public record OnlyMethod(HttpMethod method, WebHandler handler) implements WebHandler {

    @Override
    public Mono<Void> handle(ServerWebExchange exchange) {
        if (exchange.getRequest().getMethod().equals(method)) {
            return handler.handle(exchange);
        }
        exchange.getResponse().getHeaders().setAllow(Set.of(method));
        return Mono.error(new VlmException(
                ErrorCode.METHOD_NOT_ALLOWED,
                "the method " + exchange.getRequest().getMethod() + " is not served at this path, expected " + method));
    }
}
