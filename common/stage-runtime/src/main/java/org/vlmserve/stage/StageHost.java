package org.vlmserve.stage;

import io.micrometer.core.instrument.MeterRegistry;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.bundle.BundleReader;
import org.vlmserve.messaging.Road;
import org.vlmserve.messaging.RoadConfig;
import org.vlmserve.messaging.StatusReporter;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.protocol.InstanceStatus;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * The life of a stage's process. It loads every bundle and warms it up, and fails where that fails: a process with half of
 * its models would be worse than none. Then it waits for a broker that can carry the road, for as long as it takes. It is
 * ready from there on until it is told to end.
 */
public final class StageHost implements AutoCloseable {

    private static final Logger log = LoggerFactory.getLogger(StageHost.class);
    private static final Duration BROKER_RETRY = Duration.ofSeconds(1);

    private final StageLoader loader;
    private final Map<String, Path> bundles;
    private final EngineOptions engine;
    private final RoadConfig roadConfig;
    private final String instance;
    private final Duration grace;
    private final MeterRegistry meters;

    private final List<Served> served = new CopyOnWriteArrayList<>();

    /** Held while a bundle is loaded or all are closed: the end of the process may come in between. */
    private final Object loading = new Object();

    private final Thread opener;
    private final Object turn = new Object();
    private boolean closing;
    private volatile @Nullable Road road;
    private volatile @Nullable StatusReporter reporter;
    private volatile @Nullable String notReady = "the model is being loaded";

    private static final class Served {
        private final ServedStage stage;
        private final Bundle bundle;
        private volatile ServedStage.@Nullable Work work;

        Served(ServedStage stage, Bundle bundle) {
            this.stage = stage;
            this.bundle = bundle;
        }
    }

    /** @param bundles directory of each bundle, by the name of its model */
    public StageHost(
            StageLoader loader,
            Map<String, Path> bundles,
            EngineOptions engine,
            RoadConfig roadConfig,
            String instance,
            Duration grace,
            MeterRegistry meters) {
        this.loader = loader;
        this.bundles = Map.copyOf(bundles);
        this.engine = engine;
        this.roadConfig = roadConfig;
        this.instance = instance;
        this.grace = grace;
        this.meters = meters;
        opener = Thread.ofPlatform().name("stage-open").unstarted(this::open);
    }

    /**
     * Loads and warms up, then opens the road in the background.
     *
     * @throws VlmException {@code BUNDLE_CORRUPT}, {@code INVALID_REQUEST} without any bundle, {@code OUT_OF_MEMORY}
     */
    public void start() {
        if (bundles.isEmpty()) {
            throw new VlmException(
                    ErrorCode.INVALID_REQUEST,
                    "there is nothing to serve: vlm.bundles is empty; expected vlm.bundles.NAME=DIRECTORY");
        }
        try {
            bundles.forEach(this::load);
        } catch (RuntimeException | OutOfMemoryError e) {
            closeStages();
            throw e;
        }
        synchronized (turn) {
            if (!closing) {
                notReady = "the broker at " + roadConfig.bootstrapServers() + " is not checked yet";
                opener.start();
            }
        }
    }

    private void load(String name, Path directory) {
        synchronized (loading) {
            synchronized (turn) {
                if (closing) {
                    return;
                }
            }
            loadNow(name, directory);
        }
    }

    private void loadNow(String name, Path directory) {
        long begin = System.nanoTime();
        Bundle bundle = BundleReader.read(directory);
        ModelRef model = new ModelRef(name, bundle.manifest().revision());
        ServedStage stage = loader.load(model, bundle, engine);
        served.add(new Served(stage, bundle));
        stage.warmUp();
        log.info(
                "{} serves {} revision {} ({}) from {}, ready after {} ms",
                loader.stage().wireName(),
                name,
                model.revision(),
                bundle.manifest().precision(),
                directory,
                (System.nanoTime() - begin) / 1_000_000);
    }

    /** Why no work is taken, in one line, or nothing. */
    public Optional<String> notReady() {
        return Optional.ofNullable(notReady).or(this::defect);
    }

    /** What only another process heals, in one line, or nothing. */
    public Optional<String> defect() {
        for (Served each : served) {
            if (!each.stage.healthy()) {
                return Optional.of("the stage of " + each.stage.model().model() + " broke down; see the log");
            }
        }
        Road opened = road;
        return opened == null ? Optional.empty() : opened.failure().map(e -> "the road broke down: " + e);
    }

    public String instance() {
        return instance;
    }

    private void open() {
        List<ModelRef> models = served.stream().map(each -> each.stage.model()).toList();
        try {
            while (true) {
                Optional<String> problem = tryOpen(models);
                if (problem.isEmpty()) {
                    return;
                }
                if (!closing() && !problem.get().equals(notReady)) {
                    log.warn("not ready: {}", problem.get());
                    notReady = problem.get();
                }
                synchronized (turn) {
                    if (closing) {
                        return;
                    }
                    turn.wait(BROKER_RETRY.toMillis());
                }
            }
        } catch (InterruptedException e) {
            log.debug("no longer waiting for the broker");
        }
    }

    private boolean closing() {
        synchronized (turn) {
            return closing;
        }
    }

    /** @return why the road is not open, in one line, or nothing */
    private Optional<String> tryOpen(Collection<ModelRef> models) {
        try {
            Road opened = road;
            if (opened == null) {
                opened = new Road(roadConfig, instance, meters);
                road = opened;
            }
            Optional<String> problem = opened.prepare(models);
            if (problem.isEmpty()) {
                takeWork(opened);
            }
            return problem;
        } catch (RuntimeException e) {
            // such as an address that no name server knows yet
            return Optional.of("Kafka at " + roadConfig.bootstrapServers() + ": " + reason(e));
        }
    }

    private void takeWork(Road opened) {
        synchronized (turn) {
            if (closing) {
                return;
            }
            for (Served each : served) {
                if (each.work == null) {
                    each.work = each.stage.open(opened);
                }
            }
            notReady = null;
            reporter = opened.report(this::status);
        }
        log.info("{} takes work as {}", loader.stage().wireName(), instance);
    }

    private static String reason(Throwable e) {
        Throwable root = e;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        return String.valueOf(root.getMessage());
    }

    private InstanceStatus status() {
        List<InstanceStatus.ServedModel> models = new ArrayList<>();
        for (Served each : served) {
            ServedStage.Work work = each.work;
            if (work != null) {
                models.add(work.status());
            }
        }
        return new InstanceStatus(instance, loader.stage(), notReady().isEmpty(), Instant.now(), models);
    }

    /** Says that no work is wanted any more, hands back what is held, and frees the models. Harmless to repeat. */
    @Override
    public void close() {
        synchronized (turn) {
            if (closing) {
                return;
            }
            closing = true;
            notReady = "the process is ending";
            turn.notifyAll();
        }
        awaitOpener();
        StatusReporter reporting = reporter;
        if (reporting != null) {
            reporting.drain();
        }
        List<Thread> closers = new ArrayList<>();
        for (Served each : served) {
            ServedStage.Work work = each.work;
            if (work != null) {
                closers.add(Thread.ofPlatform().name("stage-close").start(() -> work.close(grace)));
            }
        }
        closers.forEach(StageHost::join);
        if (reporting != null) {
            reporting.close();
        }
        Road opened = road;
        if (opened != null) {
            opened.close();
        }
        closeStages();
        log.info("{} has ended", instance);
    }

    private void awaitOpener() {
        if (opener.getState() != Thread.State.NEW) {
            opener.interrupt();
            join(opener);
        }
    }

    private static void join(Thread thread) {
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void closeStages() {
        synchronized (loading) {
            served.forEach(each -> each.stage.close());
            served.clear();
        }
    }
}
