package org.vlmserve.messaging;

import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vlmserve.protocol.InstanceStatus;

/**
 * Reports one instance on {@code vlm.status} every second. After {@link #drain()} the reports say that no new work is
 * wanted; {@link #close()} signs off, so that others need not wait for the silence.
 */
public final class StatusReporter implements AutoCloseable {

    private static final Logger log = LoggerFactory.getLogger(StatusReporter.class);

    private final RoadProducer producer;
    private final Duration interval;
    private final String instance;
    private final Supplier<InstanceStatus> source;
    private final Thread thread;
    private final Object turn = new Object();
    private CompletableFuture<?> delivered = CompletableFuture.completedFuture(null);
    private boolean draining;
    private boolean closing;

    StatusReporter(RoadProducer producer, RoadConfig config, String instance, Supplier<InstanceStatus> source) {
        this.producer = producer;
        this.interval = config.statusInterval();
        this.instance = instance;
        this.source = source;
        this.thread = Thread.ofPlatform().name("vlm-status-report").daemon().start(this::run);
    }

    private void run() {
        try {
            while (true) {
                boolean drained;
                synchronized (turn) {
                    if (closing) {
                        return;
                    }
                    drained = draining;
                }
                report(drained);
                synchronized (turn) {
                    if (!closing && draining == drained) {
                        turn.wait(interval.toMillis());
                    }
                }
            }
        } catch (InterruptedException e) {
            log.debug("reports end");
        }
    }

    private void report(boolean drained) {
        if (!delivered.isDone()) {
            // Kafka does not answer. Reports that pile up now would say later that all was well meanwhile.
            return;
        }
        InstanceStatus status = source.get();
        if (!status.instance().equals(instance)) {
            throw new IllegalStateException("status of instance " + status.instance() + " in process " + instance);
        }
        InstanceStatus report = new InstanceStatus(
                instance, status.stage(), status.ready() && !drained, Instant.now(), status.models());
        delivered = producer.send(report).handle((done, error) -> {
            if (error != null) {
                // A report that does not arrive is the silence that the others watch for.
                log.warn("status report was not delivered: {}", error.toString());
            }
            return null;
        });
    }

    /** Reports at once, and from now on, that this instance takes no new work. */
    public void drain() {
        synchronized (turn) {
            draining = true;
            turn.notifyAll();
        }
    }

    /** Reports at once, out of turn: after a change that others should not have to wait a second for. */
    public void refresh() {
        synchronized (turn) {
            turn.notifyAll();
        }
    }

    /** Falls silent without a word, as a process does that dies. */
    void stopReporting() {
        synchronized (turn) {
            closing = true;
            turn.notifyAll();
        }
        Threads.join(thread, Duration.ofSeconds(5));
    }

    @Override
    public void close() {
        stopReporting();
        try {
            producer.tombstone(instance).get(2, java.util.concurrent.TimeUnit.SECONDS);
        } catch (java.util.concurrent.ExecutionException | java.util.concurrent.TimeoutException e) {
            log.warn("sign-off was not delivered; others notice the silence: {}", e.toString());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
