package org.vlmserve.gateway.chat;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.springframework.core.io.buffer.DataBuffer;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatus;
import org.springframework.http.InvalidMediaTypeException;
import org.springframework.http.MediaType;
import org.springframework.http.server.reactive.ServerHttpResponse;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.WebHandler;
import org.vlmserve.gateway.chat.ChatRequest.WantedPicture;
import org.vlmserve.gateway.config.DetailConfig;
import org.vlmserve.gateway.config.RequestConfig;
import org.vlmserve.gateway.config.StreamConfig;
import org.vlmserve.gateway.http.Admission;
import org.vlmserve.gateway.http.BodyReader;
import org.vlmserve.gateway.http.Call;
import org.vlmserve.gateway.http.ErrorResponses;
import org.vlmserve.gateway.http.GatewayMetrics;
import org.vlmserve.gateway.picture.PictureFetcher;
import org.vlmserve.messaging.AskRequest;
import org.vlmserve.messaging.AskRequest.PictureInput;
import org.vlmserve.messaging.RequestRoad;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Scheduler;
import reactor.core.scheduler.Schedulers;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code POST /v1/chat/completions}. */
public final class ChatCompletionsHandler implements WebHandler {

    private static final String TIMEOUT_HEADER = "x-request-timeout-ms";
    private static final Pattern TRACE_PARENT = Pattern.compile("00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}");

    /** Signals that may wait between the road's thread and the thread that writes, beside the stream's own buffer. */
    private static final int PREFETCH = 16;

    private final RequestConfig limits;
    private final StreamConfig streaming;
    private final int fetchConcurrency;
    private final ChatRequestParser parser;
    private final Admission admission;
    private final BodyReader bodies;
    private final PictureFetcher fetcher;
    private final RequestRoad road;
    private final ErrorResponses errors;
    private final GatewayMetrics metrics;
    private final JsonMapper json;
    private final Scheduler blocking;

    public ChatCompletionsHandler(
            RequestConfig limits,
            StreamConfig streaming,
            int fetchConcurrency,
            DetailConfig detail,
            Admission admission,
            BodyReader bodies,
            PictureFetcher fetcher,
            RequestRoad road,
            ErrorResponses errors,
            GatewayMetrics metrics,
            JsonMapper json,
            Scheduler blocking) {
        this.limits = limits;
        this.streaming = streaming;
        this.fetchConcurrency = fetchConcurrency;
        this.parser = new ChatRequestParser(limits, detail);
        this.admission = admission;
        this.bodies = bodies;
        this.fetcher = fetcher;
        this.road = road;
        this.errors = errors;
        this.metrics = metrics;
        this.json = json;
        this.blocking = blocking;
    }

    @Override
    public Mono<Void> handle(ServerWebExchange exchange) {
        HttpHeaders headers = exchange.getRequest().getHeaders();
        requireJson(headers);
        return answer(exchange, timeout(headers.getFirst(TIMEOUT_HEADER)));
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

    private Duration timeout(@Nullable String header) {
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

    private Mono<Void> answer(ServerWebExchange exchange, Duration timeout) {
        return Mono.using(
                admission::admit,
                ticket -> {
                    Call call = Call.of(exchange.getAttributes());
                    Instant created = Instant.now();
                    Instant deadline = created.plus(timeout);
                    return prepare(exchange, call, deadline, ticket)
                            .timeout(timeout)
                            .onErrorMap(
                                    TimeoutException.class,
                                    late -> new VlmException(
                                            ErrorCode.DEADLINE_EXCEEDED,
                                            "the request and its pictures had not arrived at the deadline, after "
                                                    + timeout.toMillis() + " ms",
                                            late))
                            .flatMap(prepared -> prepared.stream()
                                    ? stream(exchange.getResponse(), call, prepared, created)
                                    : whole(exchange.getResponse(), call, prepared, created));
                },
                Admission.Ticket::close);
    }

    /** A request with its pictures at hand. */
    private record Prepared(AskRequest ask, boolean stream, boolean includeUsage, Duration pictureFetch) {}

    private Mono<Prepared> prepare(ServerWebExchange exchange, Call call, Instant deadline, Admission.Ticket ticket) {
        return bodies.read(exchange.getRequest(), call, ticket::reserve)
                .publishOn(blocking)
                .map(parser::parse)
                .doOnNext(request -> {
                    call.stream(request.stream());
                    requireModel(request.model());
                    call.model(request.model());
                })
                .flatMap(request -> {
                    long start = System.nanoTime();
                    return pictures(request.pictures(), ticket).map(pictures -> {
                        Duration fetch = Duration.ofNanos(pictures.isEmpty() ? 0 : System.nanoTime() - start);
                        call.answerId("chatcmpl-" + UUID.randomUUID().toString().replace("-", ""));
                        AskRequest ask = new AskRequest(
                                call.answerId(),
                                request.model(),
                                call.tenant(),
                                deadline,
                                request.turns(),
                                pictures,
                                request.sampling(),
                                traceParent(exchange));
                        return new Prepared(ask, request.stream(), request.includeUsage(), fetch);
                    });
                });
    }

    private static String traceParent(ServerWebExchange exchange) {
        String given = exchange.getRequest().getHeaders().getFirst("traceparent");
        return given != null && TRACE_PARENT.matcher(given).matches() ? given : "";
    }

    /** Before any picture is fetched: nobody shall make us fetch for a model that is not there. */
    private void requireModel(String model) {
        if (!road.status().models().contains(model)) {
            throw ModelsHandler.notFound(model, "model");
        }
    }

    private Mono<List<PictureInput>> pictures(List<WantedPicture> wanted, Admission.Ticket ticket) {
        return Flux.fromIterable(wanted)
                .flatMapSequential(
                        picture -> fetcher.fetch(picture.source(), ticket::reserve)
                                .map(content -> new PictureInput(content, picture.limits())),
                        fetchConcurrency)
                .collectList();
    }

    private Flux<AnswerStream.Signal> ask(Prepared prepared, Call call, @Nullable Duration keepAlive, int capacity) {
        boolean[] tokenSeen = {false};
        return AnswerStream.ask(road, prepared.ask(), keepAlive, capacity, blocking)
                .publishOn(Schedulers.parallel(), PREFETCH)
                .doOnNext(signal -> {
                    if (signal instanceof AnswerStream.Signal.Event told) {
                        AnswerEvent event = told.event();
                        if (event instanceof AnswerEvent.Token && !tokenSeen[0]) {
                            tokenSeen[0] = true;
                            metrics.firstToken(call.model(), call.elapsed());
                        }
                        if (event instanceof AnswerEvent.Finished finished) {
                            call.completionTokens(finished.usage().completionTokens());
                            metrics.tokens(call.model(), finished.usage());
                        }
                    }
                });
    }

    private ChatResponses responses(Prepared prepared, Instant created) {
        AskRequest ask = prepared.ask();
        return new ChatResponses(
                ask.requestId(), ask.model(), created, ask.sampling().topLogprobs() != null, prepared.pictureFetch());
    }

    private Mono<Void> whole(ServerHttpResponse response, Call call, Prepared prepared, Instant created) {
        ChatResponses responses = responses(prepared, created);
        List<AnswerEvent.Token> tokens = new ArrayList<>();
        return ask(prepared, call, null, Integer.MAX_VALUE)
                .<JsonNode>handle((signal, sink) -> {
                    if (signal instanceof AnswerStream.Signal.Event told) {
                        AnswerEvent event = told.event();
                        if (event instanceof AnswerEvent.Token token && responses.logprobs()) {
                            tokens.add(token);
                        } else if (event instanceof AnswerEvent.Finished finished) {
                            sink.next(responses.completion(tokens, finished));
                        }
                    }
                })
                .single()
                .flatMap(body -> {
                    byte[] bytes = json.writeValueAsBytes(body);
                    response.setStatusCode(HttpStatus.OK);
                    response.getHeaders().setContentType(MediaType.APPLICATION_JSON);
                    response.getHeaders().setContentLength(bytes.length);
                    return response.writeWith(Mono.just(response.bufferFactory().wrap(bytes)));
                });
    }

    private Mono<Void> stream(ServerHttpResponse response, Call call, Prepared prepared, Instant created) {
        SseWriter writer = new SseWriter(responses(prepared, created), prepared.includeUsage(), json);
        Flux<byte[]> events = ask(prepared, call, streaming.keepAlive(), streaming.bufferedEvents())
                .concatMapIterable(writer::events, 1)
                .onErrorResume(error -> {
                    if (!writer.begun()) {
                        return Flux.error(error);
                    }
                    VlmException known = errors.toVlmException(error, call);
                    call.error(known.code());
                    return Flux.just(writer.error(errors.body(known)));
                });
        response.setStatusCode(HttpStatus.OK);
        response.getHeaders().setContentType(MediaType.TEXT_EVENT_STREAM);
        response.getHeaders().setCacheControl("no-cache");
        // Tells reverse proxies not to hold events back.
        response.getHeaders().set("x-accel-buffering", "no");
        Flux<DataBuffer> buffers = events.map(bytes -> response.bufferFactory().wrap(bytes));
        return response.writeAndFlushWith(buffers.map(Mono::just));
    }
}
