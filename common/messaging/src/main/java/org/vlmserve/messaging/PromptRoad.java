package org.vlmserve.messaging;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RetriableException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.EmbeddingSlice;
import org.vlmserve.protocol.Envelope;
import org.vlmserve.protocol.LayoutReady;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.PictureFailed;
import org.vlmserve.protocol.PictureKey;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PromptJob;
import org.vlmserve.protocol.Region;
import org.vlmserve.protocol.Stage;
import org.vlmserve.protocol.StageTimes;
import org.vlmserve.protocol.WireMessage;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * The decoder's end of the road for one model revision: joins prompts with their pictures, claims requests, follows the log
 * of answers, and takes over what a dead decoder left.
 *
 * <p>One thread does all of it, in rounds: it polls the consumer group's {@code prompts}, then the same-numbered partitions
 * of {@code embeddings} and {@code tokens} which it assigns itself, then looks at every prompt that is not running here.
 * The decoder's own threads touch only the producer, an {@link AnswerSink}'s flags and the mailbox.
 *
 * <p><b>A route is taken over</b> in three steps, and nothing of it is started before the last one: its prompts are read from
 * the committed offset, which is that of the oldest unfinished one, to the end; then {@code embeddings} and {@code tokens}
 * from that prompt's time to their end; then it is live. The ends of the two logs are noted <em>before</em> the prompts are
 * read, so that a prompt that arrives meanwhile finds its pictures after them.
 *
 * <p><b>Claims.</b> A first attempt begins at once, while its {@code Started} is on the way to the log, and ends unheard if
 * another instance's was first. A later attempt waits until its own {@code Started} is read back: only then is it certain
 * which tokens the dead attempt has logged, for those that come after it are void for everyone.
 */
public final class PromptRoad implements AutoCloseable {

    private static final Logger log = LoggerFactory.getLogger(PromptRoad.class);
    private static final int MOST_ATTEMPTS = 3;
    private static final int REMEMBERED_ENDS = 10_000;
    /** Records of one request may be appended out of order by so much: by different producers to different brokers. */
    private static final Duration REREAD_MARGIN = Duration.ofSeconds(2);
    /** A picture that another request sent and that has stopped arriving for so long is asked for again. */
    private static final Duration STALLED = Duration.ofSeconds(10);

    private enum State {
        /** Not begun by anybody alive. */
        WAITING,
        /** Our claim of a later attempt is on its way to the log. */
        CLAIMED,
        /** Being answered by this instance. */
        RUNNING,
        /** Begun by another instance. */
        ELSEWHERE,
        /** Our last word is on its way to the log. */
        ENDING
    }

    private static final class Prompt {
        final PromptJob job;
        final byte[] record;
        final int route;
        final long offset;
        final long arrivedNanos = System.nanoTime();
        final AnswerLog log = new AnswerLog();
        final List<AnswerEvent.Token> tokens = new ArrayList<>();
        final Set<PictureKey> asked = new HashSet<>();
        final Map<PictureKey, Long> recalledNanos = new HashMap<>();
        State state = State.WAITING;
        long completeNanos;
        int claim;

        @Nullable
        Sink sink;

        Prompt(PromptJob job, byte[] record, int route, long offset) {
            this.job = job;
            this.record = record;
            this.route = route;
            this.offset = offset;
        }

        String id() {
            return job.envelope().requestId();
        }
    }

    private enum Phase {
        NEW,
        PROMPTS,
        LOGS,
        LIVE
    }

    private static final class Route {
        final int partition;
        final TreeMap<Long, Prompt> prompts = new TreeMap<>();
        long promptsEnd;
        Phase phase = Phase.NEW;
        /** Of {@code embeddings} and {@code tokens}: before the prompts were read, then what is to be read up to. */
        final Map<TopicPartition, Long> ends = new HashMap<>();

        long oldestPromptTime = Long.MAX_VALUE;
        long committed = -1;

        Route(int partition) {
            this.partition = partition;
        }
    }

    private final String instance;
    private final ModelRef model;
    private final PromptHandler handler;
    private final RoadProducer producer;
    private final ControlListener control;
    private final KafkaStatusBoard board;
    private final MeterRegistry metrics;
    private final Tags tags;
    private final KafkaConsumer<String, byte[]> promptConsumer;
    private final KafkaConsumer<String, byte[]> logConsumer;
    private final String embeddingsTopic;
    private final String tokensTopic;
    private final PictureStore store;
    private final Map<Integer, Route> routes = new TreeMap<>();
    /** All prompts that this instance knows and has not seen end, in the order in which they arrived here. */
    private final Map<String, Prompt> prompts = new LinkedHashMap<>();

    /** Pictures of waiting prompts that did not fit: left in the log, and from where to read them again, by partition. */
    private final Map<PictureKey, Map<Integer, Long>> spilled = new HashMap<>();

    private final Map<String, Boolean> ended = new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Boolean> eldest) {
            return size() > REMEMBERED_ENDS;
        }
    };
    private final Queue<Runnable> mailbox = new ConcurrentLinkedQueue<>();
    private final Thread thread;
    private long lastCommitNanos = System.nanoTime();
    private @Nullable PictureKey lastRefused;
    private volatile List<Integer> ownedRoutes = List.of();
    private volatile int waiting;
    private volatile int running;
    private volatile boolean closing;
    private volatile long giveUpNanos = Long.MAX_VALUE;
    private volatile @Nullable Throwable failure;

    PromptRoad(
            RoadConfig config,
            String instance,
            RoadProducer producer,
            ControlListener control,
            KafkaStatusBoard board,
            MeterRegistry metrics,
            ModelRef model,
            long pictureBytes,
            PromptHandler handler) {
        this.instance = instance;
        this.model = model;
        this.handler = handler;
        this.producer = producer;
        this.control = control;
        this.board = board;
        this.metrics = metrics;
        this.tags = Tags.of("model", model.model());
        this.embeddingsTopic = Topics.embeddings(model);
        this.tokensTopic = Topics.tokens(model);
        this.store = new PictureStore(pictureBytes);
        this.promptConsumer = KafkaClients.member(config, instance + "-prompts", Topics.decoderGroup(model));
        this.logConsumer = KafkaClients.follower(config, instance + "-logs");
        Gauge.builder("vlm.pictures.bytes", store, PictureStore::bytes)
                .baseUnit("bytes")
                .tags(tags)
                .register(metrics);
        gauge("vlm.prompts.waiting", () -> waiting);
        gauge("vlm.prompts.running", () -> running);
        gauge("vlm.routes.owned", () -> ownedRoutes.size());
        this.thread = Thread.ofPlatform()
                .name("vlm-prompts-" + model.model())
                .daemon()
                .start(this::run);
    }

    private void gauge(String name, Supplier<Number> value) {
        Gauge.builder(name, value).tags(tags).register(metrics);
    }

    private void count(String name, Tags more) {
        Counter.builder(name).tags(tags.and(more)).register(metrics).increment();
    }

    /** Partitions that this instance owns and has caught up with. */
    public List<Integer> ownedRoutes() {
        return ownedRoutes;
    }

    /** Prompts on owned routes that nobody has begun. */
    public int waiting() {
        return waiting;
    }

    /** Prompts that this instance is answering. */
    public int running() {
        return running;
    }

    /** Why the road ended for good, if it did; the process should be replaced. */
    public Optional<Throwable> failure() {
        return Optional.ofNullable(failure);
    }

    /** Gives its routes back, gives running answers five seconds to end, and leaves the rest to their next owner. */
    @Override
    public void close() {
        close(Duration.ofSeconds(5));
    }

    /** @param grace how long running answers may go on before they are left to the routes' next owners */
    public void close(Duration grace) {
        giveUpNanos = System.nanoTime() + grace.toNanos();
        closing = true;
        Threads.join(thread, grace.plusSeconds(10));
    }

    // ---------------------------------------------------------------- the rounds

    private void run() {
        try (promptConsumer;
                logConsumer) {
            promptConsumer.subscribe(List.of(Topics.prompts(model)), new Ownership());
            while (!closing) {
                try {
                    round();
                } catch (RetriableException e) {
                    // The broker does not answer; what a round leaves undone the next one does.
                    log.warn("the road of {} waits for Kafka: {}", model.model(), e.getMessage());
                }
            }
            // Leaving the group moves the routes at once; what runs here stays here while this instance is alive.
            commit(true);
            promptConsumer.unsubscribe();
            ownedRoutes = List.of();
            while (running > 0 && System.nanoTime() < giveUpNanos) {
                readLogs(Duration.ofMillis(20));
                readMailbox();
                countStates();
            }
            prompts.values().forEach(this::release);
        } catch (RuntimeException e) {
            failure = e;
            log.error("the decoder's road ends", e);
            for (Prompt prompt : prompts.values()) {
                if (prompt.sink != null) {
                    prompt.sink.abandon("this decoder has lost the road");
                }
            }
        }
    }

    /** Leaves a request that is claimed here to the next owner of its route. */
    private void release(Prompt prompt) {
        if (prompt.sink != null) {
            prompt.sink.abandon("this decoder is shutting down");
        }
        if (prompt.state == State.RUNNING || prompt.state == State.CLAIMED) {
            report(
                    producer.answer(model, prompt.route, new AnswerEvent.Released(prompt.id(), prompt.claim, instance)),
                    "release of request " + prompt.id());
        }
    }

    private void round() {
        // Whoever waits for pictures or claims waits on the logs; an idle decoder waits for prompts.
        boolean busy = waiting + running > 0 || routes.values().stream().anyMatch(r -> r.phase != Phase.LIVE);
        for (ConsumerRecord<String, byte[]> record :
                promptConsumer.poll(busy ? Duration.ZERO : Duration.ofMillis(20))) {
            readPrompt(record);
        }
        try {
            routes.values().forEach(this::advance);
        } catch (org.apache.kafka.common.errors.TimeoutException e) {
            // Taking a route over goes on where it stopped, once the broker answers again.
            log.warn("routes of {} cannot be taken yet: {}", model.model(), e.getMessage());
        }
        readLogs(busy ? Duration.ofMillis(5) : Duration.ZERO);
        readMailbox();
        for (Prompt prompt : List.copyOf(prompts.values())) {
            Route route = routes.get(prompt.route);
            if (route != null && route.phase == Phase.LIVE) {
                guarded(prompt, () -> consider(prompt));
            }
        }
        makeRoom();
        countStates();
        if (System.nanoTime() - lastCommitNanos > Duration.ofSeconds(1).toNanos()) {
            commit(false);
        }
    }

    private void countStates() {
        int waits = 0;
        int runs = 0;
        for (Prompt prompt : prompts.values()) {
            switch (prompt.state) {
                case WAITING, ENDING -> waits++;
                case CLAIMED, RUNNING -> runs++;
                case ELSEWHERE -> {}
            }
        }
        waiting = waits;
        running = runs;
        ownedRoutes = routes.values().stream()
                .filter(route -> route.phase == Phase.LIVE)
                .map(route -> route.partition)
                .toList();
    }

    /**
     * Keeps to the byte budget: first what no prompt needs goes, then pictures of the prompts that came last. Those are
     * read from the log again when their prompt's turn comes; the first waiting prompt always keeps its own.
     */
    private void makeRoom() {
        Set<PictureKey> needed = neededPictures();
        spilled.keySet().retainAll(needed);
        store.evict(needed::contains);
        if (!store.overfull()) {
            return;
        }
        List<Prompt> waits = new ArrayList<>();
        for (Prompt prompt : prompts.values()) {
            if (prompt.state == State.WAITING) {
                waits.add(prompt);
            } else if (prompt.state == State.CLAIMED) {
                waits.addFirst(prompt);
            }
        }
        while (waits.size() > 1 && store.overfull()) {
            Prompt last = waits.removeLast();
            for (PromptJob.PictureRef picture : last.job.pictures()) {
                PictureKey key = picture.key();
                if (store.find(key) != null && waits.stream().noneMatch(earlier -> needs(earlier, key))) {
                    spilled.put(key, store.spill(key));
                    count("vlm.pictures.spilled", Tags.empty());
                }
            }
        }
    }

    /** Reads a picture that did not fit from the log again. What else stands there is dropped as a duplicate. */
    private void recall(Prompt prompt, PictureKey key) {
        spilled.getOrDefault(key, Map.of()).forEach((partition, offset) -> {
            TopicPartition embeddings = new TopicPartition(embeddingsTopic, partition);
            if (logConsumer.assignment().contains(embeddings) && logConsumer.position(embeddings) > offset) {
                logConsumer.seek(embeddings, offset);
            }
        });
        spilled.remove(key);
        prompt.recalledNanos.put(key, System.nanoTime());
    }

    /** Whether no other prompt that waits came before this one. */
    private boolean isFirst(Prompt prompt) {
        for (Prompt other : prompts.values()) {
            if (other.state == State.WAITING) {
                return other == prompt;
            }
        }
        return false;
    }

    private Set<PictureKey> neededPictures() {
        Set<PictureKey> needed = new HashSet<>();
        for (Prompt prompt : prompts.values()) {
            if (prompt.state == State.WAITING || prompt.state == State.CLAIMED) {
                prompt.job.pictures().forEach(picture -> needed.add(picture.key()));
            }
        }
        return needed;
    }

    private void readMailbox() {
        for (Runnable letter = mailbox.poll(); letter != null; letter = mailbox.poll()) {
            letter.run();
        }
    }

    /** A defect in one prompt's processing ends that prompt, not the decoder. */
    private void guarded(Prompt prompt, Runnable step) {
        try {
            step.run();
        } catch (KafkaException e) {
            throw e;
        } catch (VlmException e) {
            end(prompt, e);
        } catch (RuntimeException e) {
            log.error("request {}", prompt.id(), e);
            end(prompt, new VlmException(ErrorCode.INTERNAL, "the decoder failed: " + e, e));
        }
    }

    // ---------------------------------------------------------------- ownership

    private final class Ownership implements ConsumerRebalanceListener {

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> assigned) {
            for (TopicPartition partition : assigned) {
                routes.put(partition.partition(), new Route(partition.partition()));
            }
            log.info("routes {} of {} taken", numbers(assigned), model.model());
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> revoked) {
            commit(true);
            leave(revoked);
        }

        @Override
        public void onPartitionsLost(Collection<TopicPartition> lost) {
            leave(lost);
        }

        private void leave(Collection<TopicPartition> left) {
            for (TopicPartition partition : left) {
                routes.remove(partition.partition());
                prompts.values()
                        .removeIf(prompt -> prompt.route == partition.partition()
                                && prompt.state != State.RUNNING
                                && prompt.state != State.CLAIMED);
            }
            if (!left.isEmpty()) {
                log.info("routes {} of {} left", numbers(left), model.model());
                countStates();
            }
        }

        private List<Integer> numbers(Collection<TopicPartition> partitions) {
            return partitions.stream().map(TopicPartition::partition).sorted().toList();
        }
    }

    private List<TopicPartition> logs(int route) {
        return List.of(new TopicPartition(embeddingsTopic, route), new TopicPartition(tokensTopic, route));
    }

    private void advance(Route route) {
        TopicPartition partition = new TopicPartition(Topics.prompts(model), route.partition);
        if (route.phase == Phase.NEW) {
            route.ends.putAll(logConsumer.endOffsets(logs(route.partition)));
            route.promptsEnd = promptConsumer.endOffsets(List.of(partition)).getOrDefault(partition, 0L);
            route.phase = Phase.PROMPTS;
        }
        if (route.phase == Phase.PROMPTS) {
            if (promptConsumer.position(partition) < route.promptsEnd) {
                return;
            }
            assignLogs();
            Map<TopicPartition, Long> now = logConsumer.endOffsets(route.ends.keySet());
            Map<TopicPartition, OffsetAndTimestamp> starts = Map.of();
            if (route.oldestPromptTime != Long.MAX_VALUE) {
                long since = Math.max(0, route.oldestPromptTime - REREAD_MARGIN.toMillis());
                Map<TopicPartition, Long> times = new HashMap<>();
                route.ends.keySet().forEach(log -> times.put(log, since));
                starts = logConsumer.offsetsForTimes(times);
            }
            for (Map.Entry<TopicPartition, Long> end : route.ends.entrySet()) {
                OffsetAndTimestamp start = starts.get(end.getKey());
                logConsumer.seek(
                        end.getKey(), start == null ? end.getValue() : Math.min(start.offset(), end.getValue()));
            }
            route.ends.putAll(now);
            route.phase = Phase.LOGS;
        }
        if (route.phase == Phase.LOGS
                && route.ends.entrySet().stream()
                        .allMatch(end -> logConsumer.position(end.getKey()) >= end.getValue())) {
            route.phase = Phase.LIVE;
            countStates();
        }
    }

    /** The logs of every owned route, and the tokens of routes that have moved on while an answer still runs here. */
    private void assignLogs() {
        Set<TopicPartition> wanted = new LinkedHashSet<>();
        routes.keySet().forEach(route -> wanted.addAll(logs(route)));
        for (Prompt prompt : prompts.values()) {
            if (prompt.state == State.RUNNING || prompt.state == State.CLAIMED) {
                wanted.add(new TopicPartition(tokensTopic, prompt.route));
            }
        }
        Set<TopicPartition> present = logConsumer.assignment();
        if (wanted.equals(present)) {
            return;
        }
        Set<TopicPartition> added = new HashSet<>(wanted);
        added.removeAll(present);
        logConsumer.assign(wanted);
        for (TopicPartition partition : added) {
            // Where to read from is settled when the route's prompts are known; see advance().
            Route route = routes.get(partition.partition());
            Long end = route == null ? null : route.ends.get(partition);
            if (end != null) {
                logConsumer.seek(partition, end);
            } else {
                logConsumer.seekToEnd(List.of(partition));
            }
        }
    }

    private void commit(boolean wait) {
        lastCommitNanos = System.nanoTime();
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        try {
            commit(wait, offsets);
        } catch (RetriableException | CommitFailedException e) {
            // The next owner reads a little more than it has to, and skips what has ended.
            log.info("offsets of {} were not committed: {}", model.model(), e.getMessage());
        }
    }

    private void commit(boolean wait, Map<TopicPartition, OffsetAndMetadata> offsets) {
        for (Route route : routes.values()) {
            TopicPartition partition = new TopicPartition(Topics.prompts(model), route.partition);
            if (!promptConsumer.assignment().contains(partition)) {
                continue;
            }
            long oldest = route.prompts.isEmpty() ? promptConsumer.position(partition) : route.prompts.firstKey();
            if (oldest != route.committed) {
                offsets.put(partition, new OffsetAndMetadata(oldest));
            }
        }
        if (offsets.isEmpty()) {
            return;
        }
        if (wait) {
            promptConsumer.commitSync(offsets, KafkaClients.REQUEST_TIMEOUT);
            committed(offsets);
        } else {
            promptConsumer.commitAsync(offsets, (done, error) -> {
                if (error == null) {
                    committed(done);
                }
            });
        }
    }

    private void committed(Map<TopicPartition, OffsetAndMetadata> offsets) {
        offsets.forEach((partition, offset) -> {
            Route route = routes.get(partition.partition());
            if (route != null) {
                route.committed = offset.offset();
            }
        });
    }

    // ---------------------------------------------------------------- reading

    private void readPrompt(ConsumerRecord<String, byte[]> record) {
        Route route = routes.get(record.partition());
        if (route == null) {
            return;
        }
        route.oldestPromptTime = Math.min(route.oldestPromptTime, record.timestamp());
        PromptJob job;
        try {
            job = Records.decode(record, PromptJob.class);
        } catch (VlmException e) {
            unreadablePrompt(record, e);
            return;
        }
        String id = job.envelope().requestId();
        if (ended.containsKey(id)) {
            return;
        }
        Prompt known = prompts.get(id);
        if (known == null) {
            known = new Prompt(job, record.value(), record.partition(), record.offset());
            prompts.put(id, known);
        }
        if (known.offset == record.offset() && known.route == record.partition()) {
            route.prompts.put(known.offset, known);
        }
    }

    private void unreadablePrompt(ConsumerRecord<String, byte[]> record, VlmException error) {
        log.warn("{}-{} offset {}: {}", record.topic(), record.partition(), record.offset(), error.getMessage());
        count("vlm.prompts.failed", Tags.of("code", error.code().wireName()));
        report(producer.deadLetter(record, error.code(), String.valueOf(error.getMessage())), "dead letter");
        if (record.key() != null) {
            // The key is the request: its caller need not wait for the deadline.
            report(
                    producer.answer(
                            model,
                            record.partition(),
                            new AnswerEvent.Failed(
                                    record.key(), 1, instance, error.code(), String.valueOf(error.getMessage()))),
                    "failure of request " + record.key());
        }
    }

    private void report(CompletableFuture<?> sent, String what) {
        sent.whenComplete((done, error) -> {
            if (error != null) {
                log.error("{} of {} could not be produced", what, model.model(), error);
            }
        });
    }

    private void readLogs(Duration wait) {
        assignLogs();
        if (logConsumer.assignment().isEmpty()) {
            return;
        }
        for (ConsumerRecord<String, byte[]> record : logConsumer.poll(wait)) {
            WireMessage message;
            try {
                message = Records.decode(record);
            } catch (VlmException e) {
                unreadableLog(record, e);
                continue;
            }
            switch (message) {
                case LayoutReady layout ->
                    arrived(record, layout.picture(), () -> store.layout(layout.picture(), layout.layout()));
                case EmbeddingSlice slice ->
                    arrived(
                            record,
                            slice.picture(),
                            () -> store.slice(
                                    slice.envelope(),
                                    slice.picture(),
                                    slice.firstRow(),
                                    slice.totalRows(),
                                    slice.rows(),
                                    slice.times()));
                case PictureFailed failed -> pictureFailed(failed);
                case AnswerEvent event -> readAnswer(event, record.partition());
                default ->
                    unreadableLog(
                            record,
                            new VlmException(
                                    ErrorCode.RECORD_UNREADABLE,
                                    "a " + message.getClass().getSimpleName() + " on " + record.topic()));
            }
        }
    }

    private void unreadableLog(ConsumerRecord<String, byte[]> record, VlmException error) {
        log.warn("{}-{} offset {}: {}", record.topic(), record.partition(), record.offset(), error.getMessage());
        report(producer.deadLetter(record, error.code(), String.valueOf(error.getMessage())), "dead letter");
        if (record.topic().equals(embeddingsTopic)) {
            for (Prompt prompt : List.copyOf(prompts.values())) {
                if (prompt.state == State.WAITING
                        && prompt.job.pictures().stream()
                                .anyMatch(picture -> picture.key().hex().equals(record.key()))) {
                    end(prompt, error);
                }
            }
        }
    }

    private void arrived(ConsumerRecord<String, byte[]> record, PictureKey key, Runnable keep) {
        if (spilled.containsKey(key)) {
            return; // stays in the log until its prompt's turn
        }
        try {
            keep.run();
            store.cameFrom(key, record.partition(), record.offset());
        } catch (VlmException e) {
            store.drop(key);
            if (!key.equals(lastRefused)) {
                // Once, not for each of its slices.
                log.warn("picture {}: {}", key, e.getMessage());
                lastRefused = key;
            }
            failPicture(key, e);
        }
    }

    /**
     * A job that was dropped because <em>its</em> request ended says nothing about the picture: others that relied on it have
     * it sent again. Any other failure is the picture's own and fails each prompt that waits for it.
     */
    private void pictureFailed(PictureFailed failed) {
        VlmException error = new VlmException(failed.code(), failed.message());
        if (failed.code() != ErrorCode.CANCELLED && failed.code() != ErrorCode.DEADLINE_EXCEEDED) {
            PictureStore.Entry entry = store.find(failed.picture());
            if (entry == null || !entry.complete()) {
                store.drop(failed.picture());
                failPicture(failed.picture(), error);
            }
            return;
        }
        store.gaveUp(failed.picture());
        Prompt owner = prompts.get(failed.envelope().requestId());
        if (owner != null && owner.state == State.WAITING) {
            end(owner, error);
        }
    }

    private static boolean needs(Prompt prompt, PictureKey key) {
        return prompt.job.pictures().stream().anyMatch(picture -> picture.key().equals(key));
    }

    private void failPicture(PictureKey key, VlmException error) {
        for (Prompt prompt : List.copyOf(prompts.values())) {
            if (prompt.state == State.WAITING
                    && needs(prompt, key)
                    && store.ready(key).isEmpty()) {
                end(prompt, error);
            }
        }
    }

    private void readAnswer(AnswerEvent event, int partition) {
        Prompt prompt = prompts.get(event.requestId());
        if (prompt == null) {
            // Before a route is live this may be read again, then with its prompt known.
            Route route = routes.get(partition);
            if (route != null
                    && route.phase == Phase.LIVE
                    && (event instanceof AnswerEvent.Finished || event instanceof AnswerEvent.Failed)) {
                ended.put(event.requestId(), true);
            }
            return;
        }
        AnswerLog.Verdict verdict = prompt.log.read(event);
        if (verdict != AnswerLog.Verdict.COUNTS) {
            return;
        }
        switch (event) {
            case AnswerEvent.Started started -> startedRead(prompt, started);
            case AnswerEvent.Token token -> prompt.tokens.add(token);
            case AnswerEvent.Finished finished -> forget(prompt);
            case AnswerEvent.Failed failed -> forget(prompt);
            case AnswerEvent.Missing missing -> {}
            case AnswerEvent.Released released -> {
                if (prompt.state == State.ELSEWHERE) {
                    log.info(
                            "request {}: decoder {} leaves it after {} tokens",
                            prompt.id(),
                            released.instance(),
                            prompt.log.next());
                    waitAgain(prompt);
                }
            }
            case AnswerEvent.Planned planned -> {}
        }
    }

    /** Nobody alive answers it any more. */
    private static void waitAgain(Prompt prompt) {
        prompt.state = State.WAITING;
        prompt.asked.clear();
    }

    private void startedRead(Prompt prompt, AnswerEvent.Started started) {
        boolean ours = started.instance().equals(instance);
        if (ours && prompt.state == State.CLAIMED && started.attempt() == prompt.claim) {
            guarded(prompt, () -> start(prompt));
        } else if (!ours) {
            if (prompt.sink != null) {
                count("vlm.prompts.superseded", Tags.empty());
                prompt.sink.abandon("instance " + started.instance() + " has taken the request over");
                prompt.sink = null;
            }
            prompt.state = State.ELSEWHERE;
        }
    }

    /** The request has ended in the log. A run of it that still goes on here has lost it, and is told so. */
    private void forget(Prompt prompt) {
        if (prompt.sink != null) {
            prompt.sink.abandon("the request has ended");
        }
        prompts.remove(prompt.id());
        Route route = routes.get(prompt.route);
        if (route != null) {
            route.prompts.remove(prompt.offset);
        }
        ended.put(prompt.id(), true);
    }

    // ---------------------------------------------------------------- deciding

    private void consider(Prompt prompt) {
        if (prompt.state == State.ELSEWHERE && board.gone(prompt.log.instance())) {
            int died = prompt.log.attempt() - prompt.log.releases();
            if (died >= MOST_ATTEMPTS) {
                count("vlm.prompts.poisoned", Tags.empty());
                end(
                        prompt,
                        new VlmException(
                                ErrorCode.POISONED,
                                "request " + prompt.id() + " was begun by " + died + " decoders, each of which died"));
                return;
            }
            log.info(
                    "request {}: decoder {} is gone after {} tokens",
                    prompt.id(),
                    prompt.log.instance(),
                    prompt.log.next());
            waitAgain(prompt);
        }
        if (prompt.state != State.WAITING) {
            return;
        }
        stillWanted(prompt.job.envelope());
        List<PromptHandler.ReadyPicture> pictures = new ArrayList<>();
        Set<PictureKey> missing = new LinkedHashSet<>();
        for (PromptJob.PictureRef picture : prompt.job.pictures()) {
            store.ready(picture.key())
                    .ifPresentOrElse(
                            pictures::add, () -> lacking(prompt, picture).ifPresent(missing::add));
        }
        if (!missing.isEmpty()) {
            prompt.asked.addAll(missing);
            count("vlm.pictures.missing", Tags.empty());
            report(
                    producer.answer(
                            model,
                            prompt.route,
                            new AnswerEvent.Missing(prompt.id(), 0, instance, List.copyOf(missing))),
                    "request for pictures");
        }
        if (pictures.size() < prompt.job.pictures().size()) {
            return;
        }
        if (prompt.completeNanos == 0) {
            prompt.completeNanos = System.nanoTime();
        }
        if (!closing && handler.freeSlots() > 0) {
            claim(prompt);
        }
    }

    private void stillWanted(Envelope envelope) {
        if (control.isCancelled(envelope.requestId())) {
            throw new VlmException(ErrorCode.CANCELLED, "request " + envelope.requestId() + " was cancelled");
        }
        if (envelope.expired(Instant.now())) {
            throw new VlmException(
                    ErrorCode.DEADLINE_EXCEEDED,
                    "request " + envelope.requestId() + " had to be answered by " + envelope.deadline());
        }
    }

    /**
     * What to do about a picture that is not whole: nothing while it is on its way, ask for it if nobody sent it, fail if
     * the stage that would have to make it is gone.
     */
    private Optional<PictureKey> lacking(Prompt prompt, PromptJob.PictureRef picture) {
        PictureKey key = picture.key();
        if (spilled.containsKey(key)) {
            if (isFirst(prompt) && handler.freeSlots() > 0) {
                recall(prompt, key);
            }
            return Optional.empty();
        }
        PictureStore.Entry entry = store.find(key);
        Long recalled = prompt.recalledNanos.get(key);
        if (recalled != null) {
            // Should the log have lost it meanwhile, it is sent again like any other.
            long since = entry == null ? recalled : Math.max(recalled, entry.lastArrivalNanos());
            if (System.nanoTime() - since < STALLED.toNanos()) {
                return Optional.empty();
            }
            prompt.recalledNanos.remove(key);
            return Optional.of(key);
        }
        long quietSince = entry == null ? prompt.arrivedNanos : Math.max(prompt.arrivedNanos, entry.lastArrivalNanos());
        Duration quiet = Duration.ofNanos(System.nanoTime() - quietSince);
        // Without projectors nothing arrives; without encoders what was encoded still does.
        if (board.absent(Stage.PROJECTOR, model)) {
            throw unavailable(Stage.PROJECTOR);
        }
        if (board.absent(Stage.VISION_ENCODER, model) && quiet.compareTo(board.silence()) > 0) {
            throw unavailable(Stage.VISION_ENCODER);
        }
        if (picture.sent() || prompt.asked.contains(key)) {
            return Optional.empty();
        }
        if (entry == null || entry.dropped()) {
            return sentByAnother(prompt, key) ? Optional.empty() : Optional.of(key);
        }
        return quiet.compareTo(STALLED) > 0 ? Optional.of(key) : Optional.empty();
    }

    private VlmException unavailable(Stage stage) {
        return new VlmException(
                ErrorCode.STAGE_UNAVAILABLE,
                "stage " + stage.wireName() + " of model " + model.model() + " has no live instance; try again later");
    }

    /** Whether a prompt that waits here, too, has had this picture sent to this route. */
    private boolean sentByAnother(Prompt prompt, PictureKey key) {
        for (Prompt other : prompts.values()) {
            if (other != prompt
                    && other.route == prompt.route
                    && other.state == State.WAITING
                    && (other.asked.contains(key)
                            || other.job.pictures().stream()
                                    .anyMatch(sent -> sent.sent() && sent.key().equals(key)))) {
                return true;
            }
        }
        return false;
    }

    private void claim(Prompt prompt) {
        prompt.claim = prompt.log.attempt() + 1;
        boolean first = prompt.claim == 1;
        log.debug("request {}: claim {}", prompt.id(), prompt.claim);
        var acknowledged =
                producer.answer(model, prompt.route, new AnswerEvent.Started(prompt.id(), prompt.claim, instance));
        prompt.state = State.CLAIMED;
        acknowledged.whenComplete((done, error) -> {
            if (error != null) {
                mailbox.add(() -> claimFailed(prompt, error));
            }
        });
        if (first) {
            start(prompt);
        }
    }

    private void claimFailed(Prompt prompt, Throwable error) {
        log.warn("request {}: the claim was not written", prompt.id(), error);
        if (prompt.sink != null) {
            prompt.sink.abandon("the claim was not written");
            prompt.sink = null;
        }
        if (prompt.state == State.CLAIMED || prompt.state == State.RUNNING) {
            prompt.state = State.WAITING;
        }
    }

    private void start(Prompt prompt) {
        List<PromptHandler.ReadyPicture> pictures = new ArrayList<>();
        StageTimes times = StageTimes.ZERO;
        Set<PictureKey> counted = new HashSet<>();
        for (PromptJob.PictureRef picture : prompt.job.pictures()) {
            pictures.add(store.ready(picture.key())
                    .orElseThrow(() -> new VlmException(
                            ErrorCode.PICTURE_LOST, "picture " + picture.key() + " was let go while it was needed")));
            PictureStore.Entry entry = store.find(picture.key());
            if (entry != null && counted.add(picture.key())) {
                times = times.plus(entry.times(prompt.id()));
            }
        }
        Duration waited = Duration.ofNanos(System.nanoTime() - prompt.completeNanos);
        times = times.withQueue(times.queue().plus(waited));
        Timer.builder("vlm.queue.wait")
                .tags(tags.and("queue", "prompts"))
                .register(metrics)
                .record(waited);
        Sink sink = new Sink(prompt, prompt.claim);
        prompt.sink = sink;
        prompt.state = State.RUNNING;
        if (prompt.claim > 1) {
            count("vlm.prompts.takenover", Tags.empty());
        }
        try {
            handler.start(
                    new PromptHandler.ReadyPrompt(
                            prompt.job, pictures, prompt.claim, List.copyOf(prompt.tokens), times),
                    sink);
        } catch (RuntimeException e) {
            log.error("request {}: the decoder did not start", prompt.id(), e);
            sink.failed(
                    e instanceof VlmException known
                            ? known
                            : new VlmException(ErrorCode.INTERNAL, "the decoder did not start: " + e, e));
        }
    }

    /** Ends a request that does not run here. */
    private void end(Prompt prompt, VlmException error) {
        if (prompt.state == State.ENDING || prompt.state == State.RUNNING) {
            return;
        }
        prompt.state = State.ENDING;
        publishFailure(prompt, prompt.log.attempt() + 1, error).whenComplete((done, failed) -> {
            if (failed != null) {
                mailbox.add(() -> {
                    log.warn("request {}: its end was not written", prompt.id(), failed);
                    if (prompt.state == State.ENDING) {
                        prompt.state = State.WAITING;
                    }
                });
            }
        });
    }

    private CompletableFuture<?> publishFailure(Prompt prompt, int attempt, VlmException error) {
        count("vlm.prompts.failed", Tags.of("code", error.code().wireName()));
        String message = String.valueOf(error.getMessage());
        var told = producer.answer(
                model, prompt.route, new AnswerEvent.Failed(prompt.id(), attempt, instance, error.code(), message));
        if (!error.code().deadLettered()) {
            return told;
        }
        ConsumerRecord<String, byte[]> record =
                new ConsumerRecord<>(Topics.prompts(model), prompt.route, prompt.offset, prompt.id(), prompt.record);
        return CompletableFuture.allOf(told, producer.deadLetter(record, error.code(), message));
    }

    // ---------------------------------------------------------------- answering

    /** Where a decoder's threads write. Void once the request has another owner. */
    private final class Sink implements PromptHandler.AnswerSink {

        private final Prompt prompt;
        private final int attempt;
        private final AtomicBoolean done = new AtomicBoolean();
        private volatile @Nullable String voided;
        private volatile @Nullable Throwable unwritten;

        Sink(Prompt prompt, int attempt) {
            this.prompt = prompt;
            this.attempt = attempt;
        }

        void abandon(String reason) {
            if (voided == null) {
                voided = reason;
            }
        }

        @Override
        public void checkpoint() {
            String reason = voided;
            if (reason != null) {
                throw new VlmException(ErrorCode.CANCELLED, "request " + prompt.id() + ": " + reason);
            }
            Throwable error = unwritten;
            if (error != null) {
                throw new VlmException(
                        ErrorCode.INTERNAL, "request " + prompt.id() + ": a token could not be written", error);
            }
            stillWanted(prompt.job.envelope());
        }

        @Override
        public void token(
                int index,
                int tokenId,
                String text,
                AnswerEvent.@Nullable TokenLogprob logprob,
                List<AnswerEvent.TokenLogprob> top) {
            if (voided != null || done.get()) {
                return;
            }
            count("vlm.tokens", Tags.empty());
            write(new AnswerEvent.Token(prompt.id(), attempt, instance, index, tokenId, text, logprob, top));
        }

        private void write(AnswerEvent event) {
            producer.answer(model, prompt.route, event).whenComplete((acknowledged, error) -> {
                if (error != null) {
                    unwritten = error;
                }
            });
        }

        @Override
        public void finished(
                AnswerEvent.FinishReason reason,
                String text,
                AnswerEvent.Usage usage,
                StageTimes times,
                List<PictureLayout> pictures,
                List<Region> regions,
                List<String> notes) {
            if (!done.compareAndSet(false, true) || voided != null) {
                return;
            }
            count("vlm.prompts.finished", Tags.empty());
            last(producer.answer(
                    model,
                    prompt.route,
                    new AnswerEvent.Finished(
                            prompt.id(), attempt, instance, reason, text, usage, times, pictures, regions, notes)));
        }

        @Override
        public void failed(VlmException error) {
            if (!done.compareAndSet(false, true) || voided != null) {
                return;
            }
            last(publishFailure(prompt, attempt, error));
        }

        /** If the last word does not reach the log, the request is claimed anew with the tokens that did. */
        private void last(CompletableFuture<?> written) {
            written.whenComplete((acknowledged, error) -> {
                if (error != null) {
                    mailbox.add(() -> {
                        log.warn("request {}: its end was not written", prompt.id(), error);
                        if (prompt.sink == this) {
                            prompt.sink = null;
                            prompt.state = State.WAITING;
                        }
                    });
                }
            });
        }
    }
}
