package org.vlmserve.gateway.chat;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatus;
import org.springframework.http.InvalidMediaTypeException;
import org.springframework.http.MediaType;
import org.springframework.http.server.reactive.ServerHttpResponse;
import org.springframework.web.server.ServerWebExchange;
import org.vlmserve.gateway.chat.ChatRequest.WantedPicture;
import org.vlmserve.gateway.config.MediaConfig;
import org.vlmserve.gateway.config.RequestConfig;
import org.vlmserve.gateway.http.Call;
import org.vlmserve.gateway.http.MemoryBudget;
import org.vlmserve.gateway.picture.PictureFetcher;
import org.vlmserve.messaging.StatusBoard;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What all calls that take pictures have in common: their headers, their model, their pictures' bytes. */
public final class Intake {

    private static final String TIMEOUT_HEADER = "x-request-timeout-ms";
    private static final Pattern TRACE_PARENT = Pattern.compile("00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}");

    private final RequestConfig limits;
    private final MediaConfig media;
    private final PictureFetcher fetcher;
    private final StatusBoard status;

    public Intake(RequestConfig limits, MediaConfig media, PictureFetcher fetcher, StatusBoard status) {
        this.limits = limits;
        this.media = media;
        this.fetcher = fetcher;
        this.status = status;
    }

    /**
     * Runs what encodes these files for the road and returns once Kafka has them: while it runs, they are held twice.
     *
     * @throws VlmException what {@code produce} and the budget throw
     */
    static <T> T produced(MemoryBudget budget, List<PictureFiles> files, Supplier<T> produce) {
        long size = files.stream().mapToLong(PictureFiles::size).sum();
        budget.reserve(size);
        try {
            return produce.get();
        } finally {
            budget.release(size);
        }
    }

    /** How long the call may take. @throws VlmException {@code CONTENT_TYPE_UNSUPPORTED}, {@code INVALID_REQUEST} */
    Duration timeout(ServerWebExchange exchange) {
        HttpHeaders headers = exchange.getRequest().getHeaders();
        requireJson(headers);
        String header = headers.getFirst(TIMEOUT_HEADER);
        if (header == null) {
            return limits.timeout();
        }
        if (!header.matches("[0-9]{1,12}") || Long.parseLong(header) == 0) {
            throw new VlmException(
                    ErrorCode.INVALID_REQUEST,
                    TIMEOUT_HEADER + " is not a positive number of milliseconds",
                    TIMEOUT_HEADER,
                    null);
        }
        Duration wanted = Duration.ofMillis(Long.parseLong(header));
        return wanted.compareTo(limits.timeout()) < 0 ? wanted : limits.timeout();
    }

    private static void requireJson(HttpHeaders headers) {
        MediaType type;
        try {
            type = headers.getContentType();
        } catch (InvalidMediaTypeException e) {
            throw notJson(e);
        }
        if (type == null
                || !type.equalsTypeAndSubtype(MediaType.APPLICATION_JSON)
                || (type.getCharset() != null && !type.getCharset().equals(StandardCharsets.UTF_8))) {
            throw notJson(null);
        }
    }

    private static VlmException notJson(@Nullable Exception cause) {
        return new VlmException(
                ErrorCode.CONTENT_TYPE_UNSUPPORTED,
                "the Content-Type header does not say application/json in UTF-8",
                cause);
    }

    /** What did not arrive in time. */
    static VlmException late(Duration timeout, Throwable cause) {
        return new VlmException(
                ErrorCode.DEADLINE_EXCEEDED,
                "the request and its pictures had not arrived at the deadline, after " + timeout.toMillis() + " ms",
                cause);
    }

    static String traceParent(ServerWebExchange exchange) {
        String given = exchange.getRequest().getHeaders().getFirst("traceparent");
        return given != null && TRACE_PARENT.matcher(given).matches() ? given : "";
    }

    /** Before any picture is fetched: nobody shall make us fetch for a model that is not there. */
    void requireModel(Call call, String model) {
        if (!status.known(model)) {
            throw ModelsHandler.notFound(model, "model");
        }
        call.model(model);
    }

    /** The files of pictures and videos, in order. */
    Mono<List<PictureFiles>> fetch(List<WantedPicture> wanted, MemoryBudget budget) {
        return Flux.fromIterable(wanted)
                .flatMapSequential(
                        picture -> (switch (picture.medium()) {
                                    case PICTURE ->
                                        fetcher.fetch(picture.sources().getFirst(), budget)
                                                .map(PictureFiles::still);
                                    case VIDEO ->
                                        fetcher.fetchVideo(picture.sources(), budget)
                                                .map(files ->
                                                        new PictureFiles(Medium.VIDEO, files, picture.sampling()));
                                })
                                .map(files -> files.rendered(
                                        picture.rendering() == null ? media.rendering() : picture.rendering())),
                        media.concurrency())
                .collectList();
    }

    /** Answers with this body and 200. */
    static Mono<Void> write(ServerHttpResponse response, JsonMapper json, JsonNode body) {
        byte[] bytes = json.writeValueAsBytes(body);
        response.setStatusCode(HttpStatus.OK);
        response.getHeaders().setContentType(MediaType.APPLICATION_JSON);
        response.getHeaders().setContentLength(bytes.length);
        return response.writeWith(
                Mono.fromSupplier(() -> response.bufferFactory().wrap(bytes)));
    }
}
