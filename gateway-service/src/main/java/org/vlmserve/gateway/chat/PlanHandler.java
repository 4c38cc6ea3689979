package org.vlmserve.gateway.chat;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeoutException;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.WebHandler;
import org.vlmserve.gateway.http.Admission;
import org.vlmserve.gateway.http.BodyReader;
import org.vlmserve.gateway.http.Call;
import org.vlmserve.gateway.http.GatewayMetrics;
import org.vlmserve.gateway.http.MemoryBudget;
import org.vlmserve.messaging.PlanRequest;
import org.vlmserve.messaging.PlanRequest.PlanInput;
import org.vlmserve.messaging.RequestRoad;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.PictureLayout;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Scheduler;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** {@code POST /v1/vision/plan}: what pictures cost a model, at what size and in which tiles, without running it. */
public final class PlanHandler implements WebHandler {

    private final ChatRequestParser parser;
    private final Intake intake;
    private final Admission admission;
    private final BodyReader bodies;
    private final RequestRoad road;
    private final GatewayMetrics metrics;
    private final JsonMapper json;
    private final Scheduler blocking;

    public PlanHandler(
            ChatRequestParser parser,
            Intake intake,
            Admission admission,
            BodyReader bodies,
            RequestRoad road,
            GatewayMetrics metrics,
            JsonMapper json,
            Scheduler blocking) {
        this.parser = parser;
        this.intake = intake;
        this.admission = admission;
        this.bodies = bodies;
        this.road = road;
        this.metrics = metrics;
        this.json = json;
        this.blocking = blocking;
    }

    @Override
    public Mono<Void> handle(ServerWebExchange exchange) {
        Duration timeout = intake.timeout(exchange);
        return Mono.using(
                admission::open,
                ticket -> {
                    Call call = Call.of(exchange.getAttributes());
                    Instant deadline = Instant.now().plus(timeout);
                    return prepare(exchange, call, deadline, ticket)
                            .timeout(timeout)
                            .onErrorMap(TimeoutException.class, e -> Intake.late(timeout, e))
                            .flatMap(planned -> plan(planned.request(), ticket)
                                    .flatMap(layouts ->
                                            Intake.write(exchange.getResponse(), json, body(planned, layouts))));
                },
                Admission.Ticket::close);
    }

    private record Planned(PlanRequest request, IgnoredFields ignored) {}

    private Mono<Planned> prepare(ServerWebExchange exchange, Call call, Instant deadline, Admission.Ticket ticket) {
        return bodies.read(exchange.getRequest(), call, ticket)
                .map(body -> {
                    ticket.admit();
                    return parser.parsePlan(body, ticket);
                })
                .doOnNext(wanted -> {
                    intake.requireModel(call, wanted.model());
                    metrics.ignored(wanted.ignored().kinds());
                })
                .flatMap(wanted -> intake.fetch(wanted.wanted(), ticket).map(files -> {
                    ticket.release(wanted.bodyBytes());
                    call.answerId("plan-" + UUID.randomUUID().toString().replace("-", ""));
                    PlanRequest request = new PlanRequest(
                            call.answerId(),
                            wanted.model(),
                            call.tenant(),
                            deadline,
                            inputs(wanted.pictures(), files.iterator()),
                            Intake.traceParent(exchange));
                    return new Planned(request, wanted.ignored());
                }));
    }

    private static List<PlanInput> inputs(List<PlanCall.Part> parts, Iterator<PictureFiles> files) {
        List<PlanInput> inputs = new ArrayList<>();
        for (PlanCall.Part part : parts) {
            inputs.add(new PlanInput(part.size() != null ? part.size() : files.next(), part.limits()));
        }
        return inputs;
    }

    private Mono<List<PictureLayout>> plan(PlanRequest request, MemoryBudget budget) {
        // To cancel the future is to tell the stages.
        return Mono.fromFuture(() -> Intake.produced(budget, files(request), () -> road.plan(request)))
                .subscribeOn(blocking);
    }

    private static List<PictureFiles> files(PlanRequest request) {
        return request.pictures().stream()
                .map(PlanInput::subject)
                .filter(PictureFiles.class::isInstance)
                .map(PictureFiles.class::cast)
                .toList();
    }

    private static JsonNode body(Planned planned, List<PictureLayout> layouts) {
        ObjectNode body = JsonNodeFactory.instance.objectNode();
        body.put("object", "vision.plan");
        body.put("model", planned.request().model());
        ArrayNode pictures = body.putArray("pictures");
        layouts.forEach(layout -> pictures.add(LayoutJson.of(layout)));
        body.put("tokens", layouts.stream().mapToLong(PictureLayout::tokens).sum());
        planned.ignored().tell(body.putObject("vlm"));
        return body;
    }
}
