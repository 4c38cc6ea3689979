package org.vlmserve.gateway.http;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatusCode;
import org.springframework.http.MediaType;
import org.springframework.http.server.reactive.ServerHttpResponse;
import org.springframework.web.server.ResponseStatusException;
import org.vlmserve.protocol.error.Blame;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import reactor.core.publisher.Mono;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** Errors as OpenAI writes them: {@code {"error":{message, type, param, code}}}. */
public final class ErrorResponses {

    private static final Logger log = LoggerFactory.getLogger(ErrorResponses.class);

    private final JsonMapper json;
    private final String retryAfterSeconds;

    public ErrorResponses(JsonMapper json, Duration retryAfter) {
        this.json = json;
        this.retryAfterSeconds =
                Long.toString(Math.max(1, retryAfter.plusMillis(999).toSeconds()));
    }

    public ObjectNode body(VlmException error) {
        ObjectNode inner = JsonNodeFactory.instance.objectNode();
        inner.put("message", error.getMessage());
        inner.put("type", type(error.code()));
        inner.put("param", error.param());
        inner.put("code", error.code().wireName());
        ObjectNode body = JsonNodeFactory.instance.objectNode();
        body.set("error", inner);
        return body;
    }

    /** What a caller is told of this; what nobody foresaw is logged here and told as {@code INTERNAL}. */
    public VlmException toVlmException(Throwable error, Call call) {
        if (error instanceof VlmException known) {
            if (known.code().blame() == Blame.US) {
                log.atError()
                        .addKeyValue("request_id", call.requestId())
                        .addKeyValue("answer_id", call.answerId())
                        .setCause(known)
                        .log("request failed by a defect: {}", known.code().wireName());
            }
            return known;
        }
        if (error instanceof ResponseStatusException status
                && status.getStatusCode().is4xxClientError()) {
            return status.getStatusCode().value() == 404
                    ? new VlmException(
                            ErrorCode.PATH_NOT_FOUND,
                            "nothing is served at this path; expected /v1/chat/completions, /v1/vision/plan or /v1/models")
                    : new VlmException(ErrorCode.INVALID_REQUEST, "the request is malformed");
        }
        log.atError()
                .addKeyValue("request_id", call.requestId())
                .addKeyValue("answer_id", call.answerId())
                .setCause(error)
                .log("request failed unexpectedly");
        return new VlmException(
                ErrorCode.INTERNAL,
                "something broke here; the request id " + call.requestId() + " finds it in the log");
    }

    Mono<Void> write(ServerHttpResponse response, VlmException error) {
        ErrorCode code = error.code();
        int status = code.httpStatus() == 0 ? 500 : code.httpStatus();
        response.setStatusCode(HttpStatusCode.valueOf(status));
        HttpHeaders headers = response.getHeaders();
        headers.setContentType(MediaType.APPLICATION_JSON);
        if (status == 429 || status == 503) {
            headers.set(HttpHeaders.RETRY_AFTER, retryAfterSeconds);
        }
        if (code == ErrorCode.REQUEST_TIMEOUT) {
            // The rest of the body may come at any time, and would be read as the next request.
            headers.set(HttpHeaders.CONNECTION, "close");
        }
        if (code == ErrorCode.CONTENT_ENCODING_UNSUPPORTED) {
            headers.set(HttpHeaders.ACCEPT_ENCODING, "gzip, identity");
        }
        if (status == 401) {
            headers.set(HttpHeaders.WWW_AUTHENTICATE, "Bearer");
        }
        byte[] body = json.writeValueAsString(body(error)).getBytes(StandardCharsets.UTF_8);
        headers.setContentLength(body.length);
        return response.writeWith(
                Mono.fromSupplier(() -> response.bufferFactory().wrap(body)));
    }

    private static String type(ErrorCode code) {
        return switch (code.blame()) {
            case CALLER -> code.httpStatus() == 0 ? "server_error" : "invalid_request_error";
            case RESOURCES -> code.httpStatus() == 429 ? "rate_limit_error" : "server_error";
            case US -> "server_error";
        };
    }
}
