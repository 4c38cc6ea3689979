package org.vlmserve.gateway.http;

import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.spi.LoggingEventBuilder;
import org.springframework.core.Ordered;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatusCode;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.WebFilter;
import org.springframework.web.server.WebFilterChain;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import reactor.core.publisher.Mono;
import reactor.core.publisher.SignalType;

/** The outermost layer but for preflight requests, which carry no API key: names the call, finds its tenant, answers for its errors, and tells log and metrics of it. */
public final class RequestFilter implements WebFilter, Ordered {

    public static final String REQUEST_ID = "x-request-id";

    private static final Logger log = LoggerFactory.getLogger(RequestFilter.class);
    private static final Pattern SAFE_ID = Pattern.compile("[A-Za-z0-9._:-]{1,128}");

    private final ApiKeys apiKeys;
    private final ErrorResponses errors;
    private final BodyReader bodies;
    private final GatewayMetrics metrics;

    public RequestFilter(ApiKeys apiKeys, ErrorResponses errors, BodyReader bodies, GatewayMetrics metrics) {
        this.apiKeys = apiKeys;
        this.errors = errors;
        this.bodies = bodies;
        this.metrics = metrics;
    }

    @Override
    public int getOrder() {
        return Ordered.HIGHEST_PRECEDENCE + 1;
    }

    @Override
    public Mono<Void> filter(ServerWebExchange exchange, WebFilterChain chain) {
        Call call = new Call(requestId(exchange.getRequest().getHeaders().getFirst(REQUEST_ID)));
        call.attachTo(exchange.getAttributes());
        exchange.getResponse().getHeaders().set(REQUEST_ID, call.requestId());
        boolean api = exchange.getRequest().getPath().value().startsWith("/v1/");
        return Mono.defer(() -> {
                    if (api) {
                        call.tenant(apiKeys.tenant(
                                exchange.getRequest().getHeaders().getFirst(HttpHeaders.AUTHORIZATION)));
                    }
                    return chain.filter(exchange);
                })
                .onErrorResume(error -> fail(exchange, call, error))
                .doFinally(signal -> {
                    if (api) {
                        finish(exchange, call, signal);
                    }
                });
    }

    private Mono<Void> fail(ServerWebExchange exchange, Call call, Throwable error) {
        if (exchange.getResponse().isCommitted()) {
            return Mono.error(error);
        }
        VlmException known = errors.toVlmException(error, call);
        call.error(known.code());
        return bodies.discardUntaken(exchange.getRequest(), exchange.getResponse(), call)
                .then(Mono.defer(() -> errors.write(exchange.getResponse(), known)));
    }

    private void finish(ServerWebExchange exchange, Call call, SignalType signal) {
        HttpStatusCode sent = exchange.getResponse().getStatusCode();
        int status = sent == null ? 200 : sent.value();
        if (signal != SignalType.ON_COMPLETE && call.error() == null) {
            call.error(ErrorCode.CANCELLED);
        }
        if (call.error() == ErrorCode.CANCELLED && !exchange.getResponse().isCommitted()) {
            status = ErrorCode.CANCELLED.httpStatus();
        }
        ErrorCode error = call.error();
        metrics.requestDone(call, status, error);
        LoggingEventBuilder line = log.atInfo()
                .addKeyValue("request_id", call.requestId())
                .addKeyValue("method", exchange.getRequest().getMethod().name())
                .addKeyValue("path", exchange.getRequest().getPath().value())
                .addKeyValue("status", status)
                .addKeyValue("duration_ms", call.elapsed().toMillis());
        line = optional(line, "tenant", call.tenant());
        line = optional(line, "model", call.model());
        line = optional(line, "answer_id", call.answerId());
        line = optional(line, "code", error == null ? "" : error.wireName());
        if (call.completionTokens() > 0) {
            line = line.addKeyValue("completion_tokens", call.completionTokens());
        }
        line.log("request done");
    }

    private static LoggingEventBuilder optional(LoggingEventBuilder line, String key, String value) {
        return value.isEmpty() ? line : line.addKeyValue(key, value);
    }

    /** The caller's own id if it is safe to log and to send back, else a new one. */
    private static String requestId(@Nullable String given) {
        if (given != null && SAFE_ID.matcher(given).matches()) {
            return given;
        }
        ThreadLocalRandom random = ThreadLocalRandom.current();
        return new UUID(random.nextLong(), random.nextLong()).toString();
    }
}
