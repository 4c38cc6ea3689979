package org.vlmserve.media.child;

import java.io.DataInputStream;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingDeque;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * Processes that work on untrusted files, one job at a time each. A child is this program's own class path under a bounded
 * heap; its memory, its time and its silence are watched, and it is replaced after a number of jobs, or when a job broke it.
 * Thread-safe.
 */
public final class ChildPool implements AutoCloseable {

    /** Reads a job's result while the child writes it. */
    @FunctionalInterface
    public interface Result<T> {
        T read(DataInputStream in) throws IOException;
    }

    private static final Logger log = LoggerFactory.getLogger(ChildPool.class);

    private static final long WATCH_MILLIS = 25;
    private static final long WAIT_MILLIS = 100;

    /** Children that end, one after another, before they take a job: then it is not a child that is at fault. */
    private static final int MOST_TRIES = 3;

    private final ChildPoolConfig config;
    private final ChildEvents events;
    private final LinkedBlockingDeque<ChildProcess> idle = new LinkedBlockingDeque<>();
    private final Set<ChildProcess> children = ConcurrentHashMap.newKeySet();
    /** Children that are there or about to be. */
    private final AtomicInteger count = new AtomicInteger();

    private final AtomicInteger failedStarts = new AtomicInteger();
    private final ScheduledExecutorService background;
    private volatile boolean closed;

    public ChildPool(ChildPoolConfig config) {
        this(config, ChildEvents.IGNORED);
    }

    /** Starts no child before there is a job, or {@link #warmUp} is called. */
    public ChildPool(ChildPoolConfig config, ChildEvents events) {
        this.config = config;
        this.events = events;
        background = Executors.newScheduledThreadPool(
                2, Thread.ofPlatform().daemon().name("media-children-", 0).factory());
        var unused = background.scheduleWithFixedDelay(
                () -> children.forEach(ChildProcess::watch), WATCH_MILLIS, WATCH_MILLIS, TimeUnit.MILLISECONDS);
    }

    /** Starts all children, so that the first job finds one. */
    public void warmUp() {
        while (reserve()) {
            release(start());
        }
    }

    /** False when children do not come up: then no job can be done here. */
    public boolean healthy() {
        return failedStarts.get() < MOST_TRIES;
    }

    /** Process ids of the children that are there. */
    List<Long> pids() {
        return children.stream().map(ChildProcess::pid).toList();
    }

    /**
     * Runs one job and waits for it; first for a child, if all are at work.
     *
     * @param limit of the job's time in the child
     * @param checkpoint asked again and again; when it throws, the job's child is ended
     * @throws VlmException the job's own, {@code PICTURE_TOO_COSTLY} for one that takes too much memory or time,
     *     {@code PICTURE_UNREADABLE} for one that breaks its child, {@code INTERNAL} if no child comes up
     */
    public <T> T run(
            Class<? extends ChildJob> kind,
            byte[] parameters,
            byte[] file,
            Duration limit,
            Runnable checkpoint,
            Result<T> result) {
        for (int attempt = 1; ; attempt++) {
            ChildProcess child = take(checkpoint);
            boolean intact = false;
            try {
                T read = child.run(kind, parameters, file, limit, checkpoint, result);
                intact = true;
                return read;
            } catch (ChildProcess.NotAccepted e) {
                if (attempt == MOST_TRIES) {
                    throw new VlmException(
                            ErrorCode.INTERNAL, "no process takes the job, after " + attempt + " attempts", e);
                }
            } catch (ChildProcess.JobFailed e) {
                intact = true;
                throw e.failure();
            } finally {
                if (!intact && child.alive()) {
                    child.kill(ChildProcess.Reason.CANCELLED);
                }
                release(child);
            }
        }
    }

    private ChildProcess take(Runnable checkpoint) {
        while (true) {
            if (closed) {
                throw new VlmException(ErrorCode.STAGE_UNAVAILABLE, "the stage shuts down; try again");
            }
            ChildProcess free = idle.pollFirst();
            if (free == null && reserve()) {
                return start();
            }
            if (free == null) {
                free = waitForIdle();
                checkpoint.run();
            }
            if (free != null && free.alive()) {
                return free;
            }
            if (free != null) {
                release(free);
            }
        }
    }

    private @Nullable ChildProcess waitForIdle() {
        try {
            return idle.pollFirst(WAIT_MILLIS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new VlmException(ErrorCode.STAGE_UNAVAILABLE, "the stage shuts down; try again", e);
        }
    }

    private boolean reserve() {
        return count.getAndUpdate(now -> Math.min(now + 1, config.size())) < config.size();
    }

    private ChildProcess start() {
        ChildProcess child = null;
        try {
            child = ChildProcess.start(config);
            children.add(child);
            if (closed) {
                throw new IOException("the pool is closed");
            }
            child.awaitReady();
            failedStarts.set(0);
            events.started();
            return child;
        } catch (IOException e) {
            if (child != null) {
                child.kill(ChildProcess.Reason.CLOSED);
                children.remove(child);
            }
            count.decrementAndGet();
            if (closed) {
                throw new VlmException(ErrorCode.STAGE_UNAVAILABLE, "the stage shuts down; try again", e);
            }
            failedStarts.incrementAndGet();
            log.error("no process for decoding comes up: {}", e.toString());
            throw new VlmException(ErrorCode.INTERNAL, "no process for decoding comes up here: " + e.getMessage(), e);
        }
    }

    private void release(ChildProcess child) {
        if (closed) {
            child.kill(ChildProcess.Reason.CLOSED);
        }
        // The heap was given back by then; what is left is a library's.
        boolean large = child.residentBytes() > config.residentBytes() / 2;
        if (child.alive() && !large && child.jobs() < config.jobsPerChild()) {
            idle.addFirst(child);
            return;
        }
        boolean recycled = child.alive();
        child.kill(ChildProcess.Reason.CLOSED);
        String reason = recycled ? "recycled" : reason(child);
        events.ended(reason);
        log.info("process {} for decoding ended after {} jobs: {}", child.pid(), child.jobs(), reason);
        forget(child);
        if (!closed) {
            background.execute(this::replace);
        }
    }

    private static String reason(ChildProcess child) {
        ChildProcess.Reason reason = child.ended();
        return reason == null || reason == ChildProcess.Reason.CLOSED
                ? "crash"
                : reason.name().toLowerCase(Locale.ROOT);
    }

    private void forget(ChildProcess child) {
        if (children.remove(child)) {
            count.decrementAndGet();
        }
    }

    /** Has a fresh child ready for the next job. */
    private void replace() {
        if (!closed && reserve()) {
            try {
                release(start());
            } catch (VlmException e) {
                // Logged where it was thrown; the next job tries again.
                return;
            }
        }
    }

    /** Ends all children; jobs that run fail with {@code STAGE_UNAVAILABLE}. */
    @Override
    public void close() {
        closed = true;
        background.shutdownNow();
        children.forEach(child -> child.kill(ChildProcess.Reason.CLOSED));
    }
}
