package org.vlmserve.gateway;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Function;
import org.vlmserve.messaging.AnswerListener;
import org.vlmserve.messaging.AskRequest;
import org.vlmserve.messaging.PlanRequest;
import org.vlmserve.messaging.RequestRoad;
import org.vlmserve.messaging.StatusBoard;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.AnswerEvent.FinishReason;
import org.vlmserve.protocol.AnswerEvent.Finished;
import org.vlmserve.protocol.AnswerEvent.Token;
import org.vlmserve.protocol.AnswerEvent.TokenLogprob;
import org.vlmserve.protocol.AnswerEvent.Usage;
import org.vlmserve.protocol.InstanceStatus;
import org.vlmserve.protocol.InstanceStatus.ServedModel;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.Region;
import org.vlmserve.protocol.Stage;
import org.vlmserve.protocol.StageTimes;
import org.vlmserve.protocol.error.ErrorCode;

/** A road without Kafka: answers by a script, from one thread of its own, and remembers what it was asked. */
public final class FakeRoad implements RequestRoad {

    public static final String MODEL = "line-reader";
    public static final ModelRef REF = new ModelRef(MODEL, "0123456789ab");
    public static final StageTimes TIMES = new StageTimes(
            Duration.ofMillis(1),
            Duration.ofMillis(2),
            Duration.ofMillis(3),
            Duration.ofMillis(4),
            Duration.ofMillis(5),
            Duration.ofMillis(6));

    public static final PictureLayout LAYOUT = new PictureLayout(
            PictureSource.still(640, 480), 616, 476, List.of(new PictureLayout.Grid(1, 34, 44)), 1496, 374, 374);

    /** What the road does with a request; may throw what {@link RequestRoad#submit} throws. */
    @FunctionalInterface
    public interface Script {
        void answer(AskRequest request, AnswerListener listener);
    }

    private final ExecutorService thread = Executors.newSingleThreadExecutor();
    private final List<AskRequest> asked = new CopyOnWriteArrayList<>();
    private final List<String> cancelled = new CopyOnWriteArrayList<>();
    private final Map<String, Set<Stage>> models = new ConcurrentHashMap<>(Map.of(MODEL, Set.of(Stage.values())));
    private final List<PlanRequest> planned = new CopyOnWriteArrayList<>();
    private volatile Script script = (request, listener) -> {};
    private volatile Function<PlanRequest, CompletableFuture<List<PictureLayout>>> planner = FakeRoad::layouts;

    public FakeRoad() {
        answers("Hello", " big", " world");
    }

    /** Runs on the submitting thread. */
    public void onSubmit(Script script) {
        this.script = script;
    }

    /** Answers each request with these texts as tokens. */
    public void answers(String... texts) {
        onSubmit((request, listener) -> inOrder(() -> {
            for (int i = 0; i < texts.length; i++) {
                listener.onEvent(token(request, i, texts[i]));
            }
            listener.onEvent(finished(request, FinishReason.STOP, String.join("", texts), texts.length));
        }));
    }

    /** Answers each request with a failure. */
    public void fails(ErrorCode code, String message) {
        onSubmit((request, listener) -> inOrder(
                () -> listener.onEvent(new AnswerEvent.Failed(request.requestId(), 1, "decoder-1", code, message))));
    }

    /** Runs on the road's thread. */
    public void inOrder(Runnable events) {
        thread.execute(events);
    }

    public static Token token(AskRequest request, int index, String text) {
        Integer top = request.sampling().topLogprobs();
        List<TokenLogprob> alternatives = new ArrayList<>();
        for (int i = 0; top != null && i < top; i++) {
            alternatives.add(new TokenLogprob(i, new byte[] {(byte) ('a' + i)}, -1.0 - i));
        }
        TokenLogprob own = top == null
                ? null
                : new TokenLogprob(index, text.getBytes(java.nio.charset.StandardCharsets.UTF_8), -0.5);
        return new Token(request.requestId(), 1, "decoder-1", index, index, text, own, alternatives);
    }

    public static Finished finished(AskRequest request, FinishReason reason, String text, int tokens) {
        List<PictureLayout> layouts =
                request.pictures().stream().map(picture -> LAYOUT).toList();
        int pictureTokens = 374 * layouts.size();
        return new Finished(
                request.requestId(),
                1,
                "decoder-1",
                reason,
                text,
                new Usage(20 + pictureTokens, pictureTokens, 8, tokens),
                TIMES,
                layouts,
                layouts.isEmpty() ? List.of() : List.of(new Region("a cat", 0, 1.5, 2, 320, 240)),
                List.of("top_k is 1"));
    }

    /** A size alone takes a token a pixel. */
    static CompletableFuture<List<PictureLayout>> layouts(PlanRequest request) {
        return CompletableFuture.completedFuture(request.pictures().stream()
                .map(picture -> switch (picture.subject()) {
                    case PictureFiles files -> LAYOUT;
                    case PictureSource source ->
                        new PictureLayout(
                                source,
                                source.width(),
                                source.height(),
                                List.of(new PictureLayout.Grid(source.frames(), source.height(), source.width())),
                                1,
                                1,
                                source.width() * source.height());
                })
                .toList());
    }

    public void onPlan(Function<PlanRequest, CompletableFuture<List<PictureLayout>>> planner) {
        this.planner = planner;
    }

    public PlanRequest lastPlanned() {
        return planned.getLast();
    }

    @Override
    public CompletableFuture<List<PictureLayout>> plan(PlanRequest request) {
        planned.add(request);
        return planner.apply(request);
    }

    public List<AskRequest> asked() {
        return asked;
    }

    public AskRequest lastAsked() {
        return asked.getLast();
    }

    /** Ids of requests that were cancelled. */
    public List<String> cancelled() {
        return cancelled;
    }

    /** @param stages those that are live; none for a model that is known and gone */
    public void model(String model, Stage... stages) {
        models.put(model, Set.of(stages));
    }

    @Override
    public Answer submit(AskRequest request, AnswerListener listener) {
        asked.add(request);
        script.answer(request, listener);
        return new Answer() {
            @Override
            public String requestId() {
                return request.requestId();
            }

            @Override
            public void cancel() {
                cancelled.add(request.requestId());
            }
        };
    }

    @Override
    public StatusBoard status() {
        return new StatusBoard() {
            @Override
            public Collection<InstanceStatus> live() {
                return List.of(new InstanceStatus(
                        "decoder-1",
                        Stage.DECODER,
                        true,
                        Instant.now(),
                        List.of(new ServedModel(
                                REF, List.of(0), 0, 0, 4, 4096, Instant.ofEpochSecond(1_700_000_000)))));
            }

            @Override
            public boolean known(String model) {
                return models.containsKey(model);
            }

            @Override
            public Optional<ModelRef> serving(String model, Set<Stage> needed) {
                return models.getOrDefault(model, Set.of()).containsAll(needed)
                        ? Optional.of(new ModelRef(model, REF.revision()))
                        : Optional.empty();
            }

            @Override
            public Collection<String> models() {
                return models.keySet();
            }
        };
    }

    @Override
    public void close() {
        thread.shutdownNow();
    }
}
