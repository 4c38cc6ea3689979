package org.vlmserve.gateway.chat;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.springframework.core.io.buffer.DataBuffer;
import org.springframework.http.HttpStatus;
import org.springframework.http.MediaType;
import org.springframework.http.server.reactive.ServerHttpResponse;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.WebHandler;
import org.vlmserve.gateway.chat.ChatRequest.WantedPicture;
import org.vlmserve.gateway.config.StreamConfig;
import org.vlmserve.gateway.http.Admission;
import org.vlmserve.gateway.http.BodyReader;
import org.vlmserve.gateway.http.Call;
import org.vlmserve.gateway.http.ErrorResponses;
import org.vlmserve.gateway.http.GatewayMetrics;
import org.vlmserve.gateway.http.MemoryBudget;
import org.vlmserve.messaging.AskRequest;
import org.vlmserve.messaging.AskRequest.PictureInput;
import org.vlmserve.messaging.RequestRoad;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.error.VlmException;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Scheduler;
import reactor.core.scheduler.Schedulers;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;
import tools.jackson.databind.util.RawValue;

/** {@code POST /v1/chat/completions}. */
public final class ChatCompletionsHandler implements WebHandler {

    /** Events that wait as bytes for the connection, by Reactor Netty's own bound, and those of {@link #PREFETCH}. */
    private static final int OUTBOUND_EVENTS = 128 + 16;

    /** One token or alternative in JSON, with its bytes as numbers; the longest tokens have some sixty. */
    private static final int LOGPROB_BYTES = 512;

    /** How often a whole answer's log-probabilities are held: each as a text, all in pieces, and all in one. */
    private static final int COPIES_OF_LOGPROBS = 4;

    /** Signals that may wait between the road's thread and the thread that writes, beside the stream's own buffer. */
    private static final int PREFETCH = 16;

    private final StreamConfig streaming;
    private final ChatRequestParser parser;
    private final Intake intake;
    private final Admission admission;
    private final BodyReader bodies;
    private final RequestRoad road;
    private final ErrorResponses errors;
    private final GatewayMetrics metrics;
    private final JsonMapper json;
    private final Scheduler blocking;

    public ChatCompletionsHandler(
            StreamConfig streaming,
            ChatRequestParser parser,
            Intake intake,
            Admission admission,
            BodyReader bodies,
            RequestRoad road,
            ErrorResponses errors,
            GatewayMetrics metrics,
            JsonMapper json,
            Scheduler blocking) {
        this.streaming = streaming;
        this.parser = parser;
        this.intake = intake;
        this.admission = admission;
        this.bodies = bodies;
        this.road = road;
        this.errors = errors;
        this.metrics = metrics;
        this.json = json;
        this.blocking = blocking;
    }

    @Override
    public Mono<Void> handle(ServerWebExchange exchange) {
        return answer(exchange, intake.timeout(exchange));
    }

    private Mono<Void> answer(ServerWebExchange exchange, Duration timeout) {
        return Mono.using(
                admission::open,
                ticket -> {
                    Call call = Call.of(exchange.getAttributes());
                    Instant created = Instant.now();
                    Instant deadline = created.plus(timeout);
                    return prepare(exchange, call, deadline, ticket)
                            .timeout(timeout)
                            .onErrorMap(TimeoutException.class, e -> Intake.late(timeout, e))
                            .flatMap(prepared -> prepared.stream()
                                    ? stream(exchange.getResponse(), call, prepared, created, ticket)
                                    : whole(exchange.getResponse(), call, prepared, created, ticket));
                },
                Admission.Ticket::close);
    }

    /** A request with its pictures at hand. */
    private record Prepared(
            AskRequest ask, boolean stream, boolean includeUsage, Duration pictureFetch, IgnoredFields ignored) {}

    private Mono<Prepared> prepare(ServerWebExchange exchange, Call call, Instant deadline, Admission.Ticket ticket) {
        return bodies.read(exchange.getRequest(), call, ticket)
                .map(body -> {
                    ticket.admit();
                    return parser.parse(body, ticket);
                })
                .doOnNext(request -> {
                    call.stream(request.stream());
                    intake.requireModel(call, request.model());
                    metrics.ignored(request.ignored().kinds());
                })
                .flatMap(request -> {
                    long start = System.nanoTime();
                    return intake.fetch(request.pictures(), ticket).map(files -> {
                        ticket.release(request.bodyBytes());
                        Duration fetch = Duration.ofNanos(files.isEmpty() ? 0 : System.nanoTime() - start);
                        call.answerId("chatcmpl-" + UUID.randomUUID().toString().replace("-", ""));
                        AskRequest ask = new AskRequest(
                                call.answerId(),
                                request.model(),
                                call.tenant(),
                                deadline,
                                request.turns(),
                                request.templateArguments(),
                                inputs(request.pictures(), files),
                                request.sampling(),
                                Intake.traceParent(exchange));
                        return new Prepared(ask, request.stream(), request.includeUsage(), fetch, request.ignored());
                    });
                });
    }

    private static List<PictureInput> inputs(List<WantedPicture> wanted, List<PictureFiles> files) {
        List<PictureInput> inputs = new ArrayList<>(files.size());
        for (int i = 0; i < files.size(); i++) {
            inputs.add(new PictureInput(files.get(i), wanted.get(i).limits()));
        }
        return inputs;
    }

    private Flux<AnswerStream.Signal> ask(
            Prepared prepared, Call call, @Nullable Duration keepAlive, long capacity, MemoryBudget budget) {
        boolean[] tokenSeen = {false};
        return AnswerStream.ask(road, prepared.ask(), keepAlive, capacity, blocking, budget)
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
                ask.requestId(),
                ask.model(),
                created,
                ask.sampling().topLogprobs() != null,
                prepared.pictureFetch(),
                prepared.ignored());
    }

    private Mono<Void> whole(
            ServerHttpResponse response, Call call, Prepared prepared, Instant created, MemoryBudget budget) {
        ChatResponses responses = responses(prepared, created);
        List<RawValue> logprobs = new ArrayList<>();
        return ask(prepared, call, null, Long.MAX_VALUE, budget)
                .<JsonNode>handle((signal, sink) -> {
                    if (signal instanceof AnswerStream.Signal.Event told) {
                        AnswerEvent event = told.event();
                        if (event instanceof AnswerEvent.Token token && responses.logprobs()) {
                            ObjectNode entry = ChatResponses.logprobEntry(token);
                            if (entry != null) {
                                String text = json.writeValueAsString(entry);
                                budget.reserve((long) COPIES_OF_LOGPROBS * text.length());
                                logprobs.add(new RawValue(text));
                            }
                        } else if (event instanceof AnswerEvent.Finished finished) {
                            sink.next(responses.completion(logprobs, finished));
                        }
                    }
                })
                .single()
                .flatMap(body -> Intake.write(response, json, body));
    }

    private Mono<Void> stream(
            ServerHttpResponse response, Call call, Prepared prepared, Instant created, MemoryBudget budget) {
        Integer alternatives = prepared.ask().sampling().topLogprobs();
        if (alternatives != null) {
            budget.reserve((long) OUTBOUND_EVENTS * (alternatives + 1) * LOGPROB_BYTES);
        }
        SseWriter writer = new SseWriter(responses(prepared, created), prepared.includeUsage(), json);
        long capacity = streaming.bufferedBytes().toBytes();
        Flux<byte[]> events = ask(prepared, call, streaming.keepAlive(), capacity, budget)
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
