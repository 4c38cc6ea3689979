package org.vlmserve.messaging;

import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vlmserve.protocol.InstanceStatus;
import org.vlmserve.protocol.InstanceStatus.ServedModel;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.Stage;
import org.vlmserve.protocol.error.VlmException;

/**
 * Reads {@code vlm.status}. Whether an instance is silent is judged by this process's own clock at the time a report is
 * read, so that clocks of different hosts never meet; only reports that were written before this board started are aged by
 * their record's time, and a clock that is off costs one report's interval of warming up, no more.
 */
public final class KafkaStatusBoard implements StatusBoard, AutoCloseable {

    private static final Logger log = LoggerFactory.getLogger(KafkaStatusBoard.class);
    /** How far back a new board reads: long enough to tell an unknown model from one that is down. */
    private static final Duration BACK = Duration.ofMinutes(1);

    private static final int MOST_SIGNED_OFF = 10_000;

    private record Served(Stage stage, ModelRef model) {}

    private record Seen(InstanceStatus status, long heardNanos) {}

    private final Duration silence;
    private final long startedNanos = System.nanoTime();
    private final Map<String, Seen> instances = new ConcurrentHashMap<>();
    private final Set<String> everSeen = ConcurrentHashMap.newKeySet();
    private final Map<Served, Long> lastHeardNanos = new ConcurrentHashMap<>();
    private final Map<String, Boolean> signedOff = new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Boolean> eldest) {
            return size() > MOST_SIGNED_OFF;
        }
    };
    private final TopicFollower follower;

    KafkaStatusBoard(RoadConfig config, String instance) {
        this.silence = config.silence();
        this.follower = new TopicFollower(config, instance + "-status", Topics.STATUS, BACK, this::read);
    }

    private void read(ConsumerRecord<String, byte[]> record, boolean backlog) {
        if (record.value() == null) {
            instances.remove(record.key());
            synchronized (signedOff) {
                signedOff.put(record.key(), true);
            }
            return;
        }
        try {
            InstanceStatus status = Records.decode(record, InstanceStatus.class);
            long age = backlog ? Math.max(0, System.currentTimeMillis() - record.timestamp()) : 0;
            long heard = System.nanoTime() - Duration.ofMillis(age).toNanos();
            for (ServedModel served : status.models()) {
                everSeen.add(served.model().model());
                lastHeardNanos.merge(new Served(status.stage(), served.model()), heard, Math::max);
            }
            instances.put(status.instance(), new Seen(status, heard));
        } catch (VlmException e) {
            // An instance of another protocol version: it cannot serve us, so it counts as silent.
            log.warn("{} offset {} by {}: {}", record.topic(), record.offset(), record.key(), e.getMessage());
        }
    }

    @Override
    public Collection<InstanceStatus> live() {
        long now = System.nanoTime();
        instances.values().removeIf(seen -> now - seen.heardNanos > silence.toNanos());
        return instances.values().stream().map(Seen::status).toList();
    }

    @Override
    public Optional<ModelRef> serving(String model, Set<Stage> needed) {
        Map<ModelRef, EnumMap<Stage, Instant>> stages = new HashMap<>();
        for (InstanceStatus status : live()) {
            for (ServedModel served : status.models()) {
                if (takesWork(status, served) && served.model().model().equals(model)) {
                    stages.computeIfAbsent(served.model(), any -> new EnumMap<>(Stage.class))
                            .merge(status.stage(), served.importedAt(), (a, b) -> a.isAfter(b) ? a : b);
                }
            }
        }
        return stages.entrySet().stream()
                .filter(revision -> revision.getValue().keySet().containsAll(needed))
                .max(Comparator.comparing((Map.Entry<ModelRef, EnumMap<Stage, Instant>> revision) ->
                                revision.getValue().values().stream()
                                        .max(Comparator.naturalOrder())
                                        .orElse(Instant.MIN))
                        .thenComparing(revision -> revision.getKey().revision()))
                .map(Map.Entry::getKey);
    }

    /** A decoder without a route is ready, but nothing could be sent to it: its group has not dealt the routes out yet. */
    private static boolean takesWork(InstanceStatus status, ServedModel served) {
        return status.ready()
                && (status.stage() != Stage.DECODER || !served.routes().isEmpty());
    }

    @Override
    public Collection<String> models() {
        Set<String> names = new TreeSet<>();
        live().forEach(status ->
                status.models().forEach(served -> names.add(served.model().model())));
        return names;
    }

    @Override
    public boolean known(String model) {
        return everSeen.contains(model);
    }

    /** Every revision that a live instance of any stage serves, ready or not. */
    Set<ModelRef> revisions() {
        Set<ModelRef> revisions = new HashSet<>();
        live().forEach(status -> status.models().forEach(served -> revisions.add(served.model())));
        return revisions;
    }

    /**
     * Whether nothing has been heard of this stage for longer than an instance may be silent, be it dead or signed off: a
     * stage that is only being restarted is not absent.
     */
    boolean absent(Stage stage, ModelRef model) {
        long heard = lastHeardNanos.getOrDefault(new Served(stage, model), startedNanos);
        return System.nanoTime() - Math.max(heard, startedNanos) > silence.toNanos();
    }

    /** Which of these stages of a model lack an instance that takes work, at the revision that lacks least. */
    List<Stage> missing(String model, Set<Stage> needed) {
        Map<ModelRef, Set<Stage>> stages = new HashMap<>();
        for (InstanceStatus status : live()) {
            for (ServedModel served : status.models()) {
                if (takesWork(status, served) && served.model().model().equals(model)) {
                    stages.computeIfAbsent(served.model(), any -> new HashSet<>())
                            .add(status.stage());
                }
            }
        }
        return stages.values().stream()
                .map(live -> needed.stream()
                        .filter(stage -> !live.contains(stage))
                        .sorted()
                        .toList())
                .min(Comparator.comparingInt(List::size))
                .orElseGet(() -> needed.stream().sorted().toList());
    }

    Duration silence() {
        return silence;
    }

    /**
     * Whether this instance is dead for certain: signed off, or unheard of for as long as an instance may be silent, during
     * all of which this board has listened.
     */
    boolean gone(String instance) {
        synchronized (signedOff) {
            if (signedOff.containsKey(instance)) {
                return true;
            }
        }
        return System.nanoTime() - startedNanos > silence.toNanos()
                && live().stream().noneMatch(status -> status.instance().equals(instance));
    }

    Optional<Throwable> failure() {
        return follower.failure();
    }

    @Override
    public void close() {
        follower.close();
    }
}
