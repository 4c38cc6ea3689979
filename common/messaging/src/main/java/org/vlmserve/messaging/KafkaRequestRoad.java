package org.vlmserve.messaging;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RetriableException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.CancelRequest;
import org.vlmserve.protocol.Envelope;
import org.vlmserve.protocol.ImageJob;
import org.vlmserve.protocol.InstanceStatus;
import org.vlmserve.protocol.InstanceStatus.ServedModel;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.PictureKey;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PlanJob;
import org.vlmserve.protocol.PromptJob;
import org.vlmserve.protocol.ProtocolLimits;
import org.vlmserve.protocol.Stage;
import org.vlmserve.protocol.WireMessage;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * The gateway's end of the road. One thread reads all of {@code tokens} of every live revision from the end, hands events to
 * listeners, and watches deadlines; callers' threads produce; a third sends pictures again.
 */
public final class KafkaRequestRoad implements RequestRoad {

    private static final Logger log = LoggerFactory.getLogger(KafkaRequestRoad.class);

    private static final Duration POLL = Duration.ofMillis(50);
    private static final Duration CHECK = Duration.ofMillis(100);
    /** Slices stay on the road for fifteen minutes; a picture is trusted to be held for less than that. */
    private static final Duration TRUSTED = Duration.ofMinutes(10);

    private static final int MOST_TRUSTED = 10_000;
    private static final int MOST_RESENDS = 5;

    private final String instance;
    private final RoadProducer producer;
    private final KafkaStatusBoard board;
    private final MeterRegistry metrics;
    private final KafkaConsumer<String, byte[]> answers;
    private final Map<String, Request> requests = new ConcurrentHashMap<>();
    private final Map<ModelRef, CompletableFuture<Integer>> followed = new ConcurrentHashMap<>();
    private final Map<SentTo, Long> sent = new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<SentTo, Long> eldest) {
            return size() > MOST_TRUSTED;
        }
    };
    private final ExecutorService resending = Executors.newSingleThreadExecutor(
            Thread.ofPlatform().name("vlm-resend").daemon().factory());
    private final Thread thread;
    private long checkedNanos = System.nanoTime();
    private volatile boolean closing;
    private volatile @Nullable Throwable failure;

    /** A picture and the route whose decoder it went to. */
    private record SentTo(ModelRef model, int route, PictureKey picture) {}

    KafkaRequestRoad(
            RoadConfig config, String instance, RoadProducer producer, KafkaStatusBoard board, MeterRegistry metrics) {
        this.instance = instance;
        this.producer = producer;
        this.board = board;
        this.metrics = metrics;
        this.answers = KafkaClients.follower(config, instance + "-answers");
        Gauge.builder("vlm.requests.inflight", requests, Map::size).register(metrics);
        this.thread = Thread.ofPlatform().name("vlm-answers").daemon().start(this::run);
    }

    @Override
    public StatusBoard status() {
        return board;
    }

    /** Why answers are no longer read, if they are not; the process should be replaced. */
    public Optional<Throwable> failure() {
        return Optional.ofNullable(failure);
    }

    // ---------------------------------------------------------------- asking

    @Override
    public Answer submit(AskRequest ask, AnswerListener listener) {
        for (int i = 0; i < ask.pictures().size(); i++) {
            checkSize(i, ask.pictures().get(i).content());
        }
        Set<Stage> needed = ask.pictures().isEmpty() ? EnumSet.of(Stage.DECODER) : EnumSet.allOf(Stage.class);
        ModelRef model = awaitServing(ask.requestId(), ask.model(), ask.deadline(), needed);
        List<PictureKey> keys = ask.pictures().stream()
                .map(picture -> PictureKey.of(ask.tenant(), model, picture.limits(), picture.content()))
                .toList();
        int route = route(
                model,
                ask.tenant(),
                keys.isEmpty() ? ask.requestId() : keys.getFirst().hex());
        int routes = follow(model, ask.deadline());
        if (route >= routes) {
            throw new VlmException(
                    ErrorCode.INTERNAL,
                    "a decoder of " + model.model() + " reports route " + route + ", its topic has " + routes
                            + " partitions");
        }

        Envelope envelope = new Envelope(
                ask.requestId(), model, ask.tenant(), route, Instant.now(), ask.deadline(), ask.traceParent());
        Map<PictureKey, ImageJob> pictures = new LinkedHashMap<>();
        for (int i = 0; i < keys.size(); i++) {
            AskRequest.PictureInput picture = ask.pictures().get(i);
            pictures.put(keys.get(i), new ImageJob(envelope, keys.get(i), picture.limits(), picture.content()));
        }
        Set<PictureKey> held = pictures.keySet().stream()
                .filter(key -> trusted(new SentTo(model, route, key)))
                .collect(Collectors.toSet());
        PromptJob prompt = new PromptJob(
                envelope,
                ask.turns(),
                ask.templateArguments(),
                keys.stream()
                        .map(key -> new PromptJob.PictureRef(key, !held.contains(key)))
                        .toList(),
                ask.sampling());

        PromptRequest request = new PromptRequest(envelope, pictures, listener);
        // The prompt goes first: a decoder that takes the route over re-reads pictures from the prompt's time.
        List<WireMessage> messages = new ArrayList<>(List.of(prompt));
        pictures.values().stream()
                .filter(picture -> !held.contains(picture.picture()))
                .forEach(messages::add);
        produce(request, messages);
        pictures.keySet().forEach(key -> trust(new SentTo(model, route, key)));
        return request;
    }

    @Override
    public CompletableFuture<List<PictureLayout>> plan(PlanRequest ask) {
        for (int i = 0; i < ask.pictures().size(); i++) {
            if (ask.pictures().get(i).subject() instanceof PictureFiles content) {
                checkSize(i, content);
            }
        }
        ModelRef model = awaitServing(ask.requestId(), ask.model(), ask.deadline(), EnumSet.of(Stage.VISION_ENCODER));
        // Any partition of the answers will do: gateways read all of them.
        int route = Math.floorMod(ask.requestId().hashCode(), follow(model, ask.deadline()));
        Envelope envelope = new Envelope(
                ask.requestId(), model, ask.tenant(), route, Instant.now(), ask.deadline(), ask.traceParent());
        List<WireMessage> jobs = new ArrayList<>();
        for (int i = 0; i < ask.pictures().size(); i++) {
            PlanRequest.PlanInput picture = ask.pictures().get(i);
            jobs.add(new PlanJob(envelope, i, picture.limits(), picture.subject()));
        }
        PlannedRequest request = new PlannedRequest(envelope, jobs.size());
        produce(request, jobs);
        return request.layouts;
    }

    private static void checkSize(int index, PictureFiles content) {
        if (content.size() > ProtocolLimits.MAX_PICTURE_BYTES) {
            throw new VlmException(
                    ErrorCode.PICTURE_TOO_LARGE,
                    "picture " + index + " has " + content.size() + " bytes, at most "
                            + ProtocolLimits.MAX_PICTURE_BYTES
                            + " are taken; send a smaller or more strongly compressed file");
        }
    }

    /** Sends what a request consists of, in order, and waits until Kafka has all of it. */
    private void produce(Request request, List<WireMessage> messages) {
        String id = request.requestId();
        Instant deadline = request.envelope.deadline();
        if (requests.putIfAbsent(id, request) != null) {
            throw new VlmException(ErrorCode.INVALID_REQUEST, "request id " + id + " is in use");
        }
        try {
            CompletableFuture.allOf(messages.stream().map(producer::send).toArray(CompletableFuture[]::new))
                    .get(Math.max(1, Duration.between(Instant.now(), deadline).toMillis()), TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            request.cancel();
            throw refused(id, e);
        } catch (TimeoutException e) {
            request.cancel();
            throw new VlmException(
                    ErrorCode.DEADLINE_EXCEEDED,
                    "request " + id + " had to be answered by " + deadline + ", and Kafka has not acknowledged it yet",
                    e);
        } catch (InterruptedException e) {
            request.cancel();
            Thread.currentThread().interrupt();
            throw new VlmException(ErrorCode.CANCELLED, "request " + id + " was interrupted", e);
        }
        count(
                "vlm.requests.submitted",
                Tags.of("model", request.envelope.model().model()));
    }

    private static VlmException refused(String requestId, ExecutionException error) {
        Throwable cause = error.getCause() == null ? error : error.getCause();
        if (cause instanceof org.apache.kafka.common.errors.RecordTooLargeException) {
            return new VlmException(
                    ErrorCode.REQUEST_TOO_LARGE,
                    "request " + requestId + " is larger than a record may be: " + cause.getMessage(),
                    cause);
        }
        return new VlmException(
                ErrorCode.STAGE_UNAVAILABLE,
                "Kafka did not take request " + requestId + ": " + cause.getMessage() + "; try again later",
                cause);
    }

    /**
     * The revision to ask. A model that was served a moment ago is waited for as long as an instance may be silent: a stage that
     * restarts, or routes on their way from one decoder to another, are no reason to refuse.
     */
    private ModelRef awaitServing(String requestId, String model, Instant deadline, Set<Stage> needed) {
        Throwable broken = failure;
        if (broken != null) {
            throw new VlmException(ErrorCode.INTERNAL, "this gateway no longer reads answers", broken);
        }
        Instant end = Instant.now().plus(board.silence());
        while (true) {
            Instant now = Instant.now();
            if (!now.isBefore(deadline)) {
                throw new VlmException(
                        ErrorCode.DEADLINE_EXCEEDED, "request " + requestId + " had to be answered by " + deadline);
            }
            Optional<ModelRef> serving = board.serving(model, needed);
            if (serving.isPresent()) {
                return serving.get();
            }
            if (!board.known(model) || now.isAfter(end)) {
                throw unserved(model, needed);
            }
            try {
                Thread.sleep(CHECK.toMillis());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new VlmException(ErrorCode.CANCELLED, "request " + requestId + " was interrupted", e);
            }
        }
    }

    private VlmException unserved(String model, Set<Stage> needed) {
        List<Stage> missing = board.missing(model, needed);
        if (!board.known(model)) {
            return new VlmException(
                    ErrorCode.MODEL_NOT_FOUND,
                    "model '" + model + "' is not served here; available: " + String.join(", ", board.models()));
        }
        return new VlmException(
                ErrorCode.STAGE_UNAVAILABLE,
                "model '" + model + "' has no ready "
                        + missing.stream().map(Stage::wireName).collect(Collectors.joining(", "))
                        + " at the moment; try again later");
    }

    /**
     * Rendezvous hashing over the routes that live decoders own: the same document goes to the same route for as long as
     * that route is owned, and to the next one of its own order while the route's decoder is full.
     */
    private int route(ModelRef model, String tenant, String seed) {
        Map<Integer, Boolean> full = new HashMap<>();
        for (InstanceStatus status : board.live()) {
            for (ServedModel served : status.models()) {
                if (status.ready()
                        && status.stage() == Stage.DECODER
                        && served.model().equals(model)) {
                    served.routes().forEach(route -> full.merge(route, served.full(), Boolean::logicalAnd));
                }
            }
        }
        if (full.isEmpty()) {
            throw new VlmException(
                    ErrorCode.STAGE_UNAVAILABLE,
                    "no decoder of model '" + model.model() + "' owns a route at the moment; try again later");
        }
        return full.entrySet().stream()
                .filter(route -> !route.getValue())
                .map(Map.Entry::getKey)
                .max(Comparator.comparingLong((Integer route) -> score(tenant, seed, route))
                        .thenComparing(Comparator.naturalOrder()))
                .orElseThrow(() -> new VlmException(
                        ErrorCode.OVERLOADED,
                        "every decoder of model '" + model.model() + "' has its queue full; try again later"));
    }

    private static long score(String tenant, String seed, int route) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256")
                    .digest((tenant + '\0' + seed + '\0' + route).getBytes(StandardCharsets.UTF_8));
            return java.nio.ByteBuffer.wrap(digest).getLong();
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("SHA-256 is required of every Java platform", e);
        }
    }

    private boolean trusted(SentTo picture) {
        synchronized (sent) {
            Long at = sent.get(picture);
            return at != null && System.nanoTime() - at < TRUSTED.toNanos();
        }
    }

    private void trust(SentTo picture) {
        synchronized (sent) {
            sent.put(picture, System.nanoTime());
        }
    }

    /** Waits until the answers of a revision are read from their end: what is produced after this is seen. */
    private int follow(ModelRef model, Instant deadline) {
        CompletableFuture<Integer> partitions = followed.computeIfAbsent(model, any -> new CompletableFuture<>());
        try {
            long atMost = Math.min(
                    KafkaClients.REQUEST_TIMEOUT.toMillis(),
                    Duration.between(Instant.now(), deadline).toMillis());
            return partitions.get(Math.max(1, atMost), TimeUnit.MILLISECONDS);
        } catch (TimeoutException | ExecutionException e) {
            throw new VlmException(
                    ErrorCode.STAGE_UNAVAILABLE, "answers of model '" + model.model() + "' cannot be read yet", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new VlmException(ErrorCode.CANCELLED, "interrupted", e);
        }
    }

    // ---------------------------------------------------------------- following answers

    private void run() {
        try (answers) {
            while (!closing) {
                try {
                    assign();
                } catch (RetriableException e) {
                    log.warn("answers of a new model cannot be read yet: {}", e.getMessage());
                }
                if (answers.assignment().isEmpty()) {
                    Thread.sleep(POLL.toMillis());
                } else {
                    for (ConsumerRecord<String, byte[]> record : answers.poll(POLL)) {
                        read(record);
                    }
                }
                if (System.nanoTime() - checkedNanos > CHECK.toNanos()) {
                    checkedNanos = System.nanoTime();
                    requests.values().forEach(this::check);
                }
            }
        } catch (InterruptedException e) {
            log.debug("answers are no longer read");
        } catch (RuntimeException e) {
            failure = e;
            log.error("answers can no longer be read", e);
        }
        ErrorCode code = failure == null ? ErrorCode.CANCELLED : ErrorCode.INTERNAL;
        requests.values()
                .forEach(request -> request.fail(new VlmException(code, "this gateway no longer reads answers")));
    }

    private void assign() {
        for (ModelRef model : board.revisions()) {
            followed.computeIfAbsent(model, any -> new CompletableFuture<>());
        }
        Set<TopicPartition> wanted = new HashSet<>(answers.assignment());
        Set<TopicPartition> added = new HashSet<>();
        Map<CompletableFuture<Integer>, Integer> found = new HashMap<>();
        followed.forEach((model, partitions) -> {
            if (!partitions.isDone()) {
                String topic = Topics.tokens(model);
                var infos = answers.partitionsFor(topic);
                infos.forEach(info -> added.add(new TopicPartition(topic, info.partition())));
                if (!infos.isEmpty()) {
                    found.put(partitions, infos.size());
                }
            }
        });
        if (found.isEmpty()) {
            return;
        }
        wanted.addAll(added);
        answers.assign(wanted);
        answers.seekToEnd(added);
        // Seeking is lazy: asking for the position makes the end the one of now, before any request is produced.
        added.forEach(answers::position);
        found.forEach(CompletableFuture::complete);
    }

    private void read(ConsumerRecord<String, byte[]> record) {
        Request request = requests.get(record.key());
        if (request == null) {
            return;
        }
        try {
            request.read(Records.decode(record, AnswerEvent.class));
        } catch (VlmException e) {
            request.fail(e);
            request.tellStages();
        }
    }

    private void check(Request request) {
        if (request.envelope.expired(Instant.now())) {
            request.fail(new VlmException(
                    ErrorCode.DEADLINE_EXCEEDED,
                    "request " + request.requestId() + " had to be answered by " + request.envelope.deadline()));
            request.tellStages();
        } else if (board.absent(request.answeredBy(), request.envelope.model())) {
            // Lacking encoders or projectors of a prompt are the decoder's to notice, which knows what has arrived.
            request.fail(new VlmException(
                    ErrorCode.STAGE_UNAVAILABLE,
                    "stage " + request.answeredBy().wireName() + " of model '"
                            + request.envelope.model().model() + "' has no live instance; try again later"));
            request.tellStages();
        }
    }

    private void count(String name, Tags tags) {
        Counter.builder(name).tags(tags).register(metrics).increment();
    }

    @Override
    public void close() {
        closing = true;
        Threads.join(thread, Duration.ofSeconds(5));
        resending.shutdownNow();
    }

    /** A request on its way. Events are read by one thread; cancelling may come from any. */
    private abstract class Request {

        final Envelope envelope;
        private boolean over;

        Request(Envelope envelope) {
            this.envelope = envelope;
        }

        /** The stage without which nothing more is to be expected. */
        abstract Stage answeredBy();

        abstract void read(AnswerEvent event);

        abstract void fail(VlmException error);

        public String requestId() {
            return envelope.requestId();
        }

        public void cancel() {
            if (end()) {
                count(
                        "vlm.requests.cancelled",
                        Tags.of("model", envelope.model().model()));
                tellStages();
            }
        }

        /** Whether this call ended the request. */
        synchronized boolean end() {
            boolean first = !over;
            over = true;
            requests.remove(requestId(), this);
            return first;
        }

        synchronized boolean over() {
            return over;
        }

        /** @param code wire name of the error, or {@code ok} */
        void countEnd(String code) {
            count("vlm.requests.ended", Tags.of("model", envelope.model().model(), "code", code));
        }

        void tellStages() {
            producer.send(new CancelRequest(requestId())).whenComplete((done, error) -> {
                if (error != null) {
                    // The stages learn it from the deadline instead.
                    log.warn("request {}: its cancellation was not written: {}", requestId(), error.toString());
                }
            });
        }
    }

    /** A prompt. */
    private final class PromptRequest extends Request implements Answer {

        private final Map<PictureKey, ImageJob> pictures;
        private final AnswerListener listener;
        private final AnswerLog answer = new AnswerLog();
        private final Map<PictureKey, Integer> resends = new HashMap<>();

        PromptRequest(Envelope envelope, Map<PictureKey, ImageJob> pictures, AnswerListener listener) {
            super(envelope);
            this.pictures = pictures;
            this.listener = listener;
        }

        @Override
        Stage answeredBy() {
            return Stage.DECODER;
        }

        @Override
        void read(AnswerEvent event) {
            switch (answer.read(event)) {
                case VOID -> {}
                case GAP -> {
                    fail(new VlmException(
                            ErrorCode.INTERNAL,
                            "a token of request " + requestId() + " is missing from the log: expected index "
                                    + answer.next()));
                    tellStages();
                }
                case COUNTS -> {
                    switch (event) {
                        case AnswerEvent.Started started -> {}
                        case AnswerEvent.Released released -> {}
                        case AnswerEvent.Planned planned -> {}
                        case AnswerEvent.Missing missing -> resend(missing);
                        case AnswerEvent.Token token -> deliver(token, false);
                        case AnswerEvent.Finished finished -> deliver(finished, true);
                        case AnswerEvent.Failed failed -> deliver(failed, true);
                    }
                }
            }
        }

        @Override
        void fail(VlmException error) {
            deliver(
                    new AnswerEvent.Failed(
                            requestId(), answer.attempt(), instance, error.code(), String.valueOf(error.getMessage())),
                    true);
        }

        private void deliver(AnswerEvent event, boolean last) {
            if (over()) {
                return;
            }
            if (last) {
                end();
                countEnd(
                        event instanceof AnswerEvent.Failed failed
                                ? failed.code().wireName()
                                : "ok");
            }
            try {
                listener.onEvent(event);
            } catch (RuntimeException e) {
                // A listener's defect must not take the other requests' answers with it.
                log.error("request {}: its listener failed, so it is cancelled", requestId(), e);
                cancel();
            }
        }

        private void resend(AnswerEvent.Missing missing) {
            for (PictureKey key : missing.pictures()) {
                ImageJob picture = pictures.get(key);
                int times = resends.merge(key, 1, Integer::sum);
                if (picture == null || times > MOST_RESENDS) {
                    fail(new VlmException(
                            ErrorCode.PICTURE_LOST,
                            picture == null
                                    ? "the decoder lacks picture " + key + ", which request " + requestId()
                                            + " does not hold"
                                    : "picture " + key + " was sent " + times + " times and never arrived"));
                    tellStages();
                    return;
                }
                count("vlm.pictures.resent", Tags.of("model", envelope.model().model()));
                // One after another: each is held once more until Kafka has it.
                resending.execute(() -> producer.send(picture)
                        .handle((done, error) -> {
                            if (error != null) {
                                fail(new VlmException(
                                        ErrorCode.STAGE_UNAVAILABLE,
                                        "Kafka did not take picture " + key + " again",
                                        error));
                            } else {
                                trust(new SentTo(envelope.model(), envelope.route(), key));
                            }
                            return true;
                        })
                        .join());
            }
        }
    }

    /** A plan of some pictures, complete with the last of their layouts. */
    private final class PlannedRequest extends Request {

        private final CompletableFuture<List<PictureLayout>> layouts = new CompletableFuture<>();
        private final @Nullable PictureLayout[] planned;

        PlannedRequest(Envelope envelope, int pictures) {
            super(envelope);
            planned = new PictureLayout[pictures];
            layouts.whenComplete((done, error) -> {
                if (layouts.isCancelled()) {
                    cancel();
                }
            });
        }

        @Override
        Stage answeredBy() {
            return Stage.VISION_ENCODER;
        }

        @Override
        void read(AnswerEvent event) {
            switch (event) {
                case AnswerEvent.Planned one -> {
                    if (one.index() < 0 || one.index() >= planned.length) {
                        throw new VlmException(
                                ErrorCode.RECORD_UNREADABLE,
                                "a layout of picture " + one.index() + " answers a plan of " + planned.length);
                    }
                    planned[one.index()] = one.layout();
                    if (!Arrays.asList(planned).contains(null) && end()) {
                        countEnd("ok");
                        layouts.complete(List.of(planned));
                    }
                }
                case AnswerEvent.Failed failed -> {
                    fail(new VlmException(failed.code(), failed.message()));
                    // Other pictures of the plan may still wait.
                    tellStages();
                }
                default -> log.warn("request {}: a plan was answered by {}", requestId(), event);
            }
        }

        @Override
        void fail(VlmException error) {
            if (end()) {
                countEnd(error.code().wireName());
                layouts.completeExceptionally(error);
            }
        }
    }
}
