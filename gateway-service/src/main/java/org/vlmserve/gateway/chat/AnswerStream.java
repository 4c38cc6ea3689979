package org.vlmserve.gateway.chat;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.slf4j.MDC;
import org.vlmserve.gateway.http.MemoryBudget;
import org.vlmserve.messaging.AnswerListener;
import org.vlmserve.messaging.AskRequest;
import org.vlmserve.messaging.AskRequest.PictureInput;
import org.vlmserve.messaging.RequestRoad;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import reactor.core.Disposable;
import reactor.core.Disposables;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Sinks;
import reactor.core.scheduler.Scheduler;
import reactor.core.scheduler.Schedulers;

/**
 * One answer, from the road to a subscriber that may be slow or go away. It ends in exactly one way: with {@code Finished},
 * or with a {@link VlmException} for a failure, the deadline or a full buffer. Whenever it ends before the road says so,
 * the road is told at once that nobody waits any more.
 */
final class AnswerStream implements AnswerListener {

    /** What a subscriber sees. */
    sealed interface Signal {

        /** A token, or {@code Finished} as the last. */
        record Event(AnswerEvent event) implements Signal {}

        /** Nothing was to be sent for a while. */
        record Idle() implements Signal {}
    }

    private enum Phase {
        SUBMITTING,
        SUBMITTED,
        /** The road has said its last word. */
        ANSWERED,
        /** Nobody waits any more. */
        GONE
    }

    /** What an event takes beside its texts: objects, ids, and its place in the queue. */
    private static final int EVENT_BYTES = 320;

    /** The same for each alternative of a token. */
    private static final int ALTERNATIVE_BYTES = 96;

    private final long capacity;
    private final Scheduler blocking;
    private final Queue<Signal> buffer = new ConcurrentLinkedQueue<>();
    private final AtomicLong buffered = new AtomicLong();
    private final Sinks.Many<Signal> sink;
    private final Disposable.Composite timers = Disposables.composite();

    // Guarded by this. The road is never called under the lock: its threads call us, perhaps under a lock of their own.
    private Phase phase = Phase.SUBMITTING;
    private RequestRoad.@Nullable Answer answer;
    private long lastSignalNanos = System.nanoTime();

    private AnswerStream(long capacity, Scheduler blocking) {
        this.capacity = capacity;
        this.blocking = blocking;
        this.sink = Sinks.unsafe().many().unicast().onBackpressureBuffer(buffer);
    }

    /**
     * Asks when subscribed to.
     *
     * @param keepAlive how long may pass in silence before {@code Idle} is signalled, or null for never
     * @param capacity bytes of heap that signals may take which wait for the subscriber
     * @param blocking where {@link RequestRoad#submit} may block
     * @param budget holds the request's files once more while they are submitted
     */
    static Flux<Signal> ask(
            RequestRoad road,
            AskRequest request,
            @Nullable Duration keepAlive,
            long capacity,
            Scheduler blocking,
            MemoryBudget budget) {
        return Flux.defer(() -> {
            AnswerStream stream = new AnswerStream(capacity, blocking);
            // Not as a Callable: Reactor would interrupt the thread on cancel, and an interrupted submit may have been
            // produced already without an Answer that could be cancelled.
            blocking.schedule(() -> stream.submit(road, request, budget));
            stream.startTimers(request.deadline(), keepAlive);
            return stream.sink
                    .asFlux()
                    .doOnNext(signal -> stream.buffered.addAndGet(-weight(signal)))
                    .doFinally(signal -> stream.leave());
        });
    }

    private void submit(RequestRoad road, AskRequest request, MemoryBudget budget) {
        try (var ignored = MDC.putCloseable("answer_id", request.requestId())) {
            List<PictureFiles> files =
                    request.pictures().stream().map(PictureInput::content).toList();
            RequestRoad.Answer submitted = Intake.produced(budget, files, () -> road.submit(request, this));
            if (!keep(submitted)) {
                submitted.cancel();
            }
        } catch (RuntimeException e) {
            fail(e, true);
        }
    }

    /** @return false if nobody waits any more */
    private synchronized boolean keep(RequestRoad.Answer submitted) {
        if (phase == Phase.SUBMITTING) {
            phase = Phase.SUBMITTED;
            answer = submitted;
        }
        return phase != Phase.GONE;
    }

    private void startTimers(Instant deadline, @Nullable Duration keepAlive) {
        long left = Math.max(0, Duration.between(Instant.now(), deadline).toMillis());
        timers.add(Schedulers.parallel()
                .schedule(
                        () -> fail(
                                new VlmException(
                                        ErrorCode.DEADLINE_EXCEEDED,
                                        "the answer was not complete at the request's deadline"),
                                false),
                        left,
                        TimeUnit.MILLISECONDS));
        if (keepAlive != null) {
            long period = Math.max(1, keepAlive.toMillis() / 4);
            timers.add(Schedulers.parallel()
                    .schedulePeriodically(() -> idle(keepAlive), period, period, TimeUnit.MILLISECONDS));
        }
    }

    @Override
    public void onEvent(AnswerEvent event) {
        switch (event) {
            case AnswerEvent.Token token -> emit(new Signal.Event(token));
            case AnswerEvent.Finished finished -> {
                emit(new Signal.Event(finished));
                complete();
            }
            case AnswerEvent.Failed failed -> fail(new VlmException(failed.code(), failed.message()), true);
            case AnswerEvent.Started started -> throw neverArrives(started);
            case AnswerEvent.Missing missing -> throw neverArrives(missing);
            case AnswerEvent.Released released -> throw neverArrives(released);
            case AnswerEvent.Planned planned -> throw neverArrives(planned);
        }
    }

    private static IllegalStateException neverArrives(AnswerEvent event) {
        return new IllegalStateException(event.getClass().getSimpleName() + " reached a listener of the road");
    }

    private void emit(Signal signal) {
        boolean overflow;
        synchronized (this) {
            if (over()) {
                return;
            }
            lastSignalNanos = System.nanoTime();
            long weight = weight(signal);
            // What is larger than all that may wait goes through if nothing else does.
            overflow = !buffer.isEmpty() && buffered.get() + weight > capacity;
            if (!overflow) {
                buffered.addAndGet(weight);
                sink.tryEmitNext(signal);
            }
        }
        if (overflow) {
            fail(
                    new VlmException(
                            ErrorCode.CANCELLED,
                            "the answer was read too slowly: " + buffered.get() + " bytes of at most " + capacity
                                    + " were waiting"),
                    false);
        }
    }

    /** About how many bytes of heap a signal takes while it waits. */
    private static long weight(Signal signal) {
        if (!(signal instanceof Signal.Event told)) {
            return 0;
        }
        return switch (told.event()) {
            case AnswerEvent.Token token -> {
                long bytes = EVENT_BYTES + 2L * token.text().length();
                for (AnswerEvent.TokenLogprob alternative : token.top()) {
                    bytes += ALTERNATIVE_BYTES + alternative.bytes().length;
                }
                yield bytes;
            }
            case AnswerEvent.Finished finished ->
                EVENT_BYTES + 2L * finished.text().length();
            default -> EVENT_BYTES;
        };
    }

    private synchronized void idle(Duration keepAlive) {
        if (!over() && buffer.isEmpty() && System.nanoTime() - lastSignalNanos >= keepAlive.toNanos()) {
            lastSignalNanos = System.nanoTime();
            sink.tryEmitNext(new Signal.Idle());
        }
    }

    private synchronized void complete() {
        if (!over()) {
            phase = Phase.ANSWERED;
            sink.tryEmitComplete();
        }
    }

    /** @param byRoad whether the road knows already that this request is over */
    private void fail(Throwable error, boolean byRoad) {
        RequestRoad.Answer toCancel;
        synchronized (this) {
            if (over()) {
                return;
            }
            toCancel = byRoad ? null : answer;
            phase = byRoad ? Phase.ANSWERED : Phase.GONE;
            sink.tryEmitError(error);
        }
        cancel(toCancel);
    }

    /** The subscriber has all that it wants. */
    private void leave() {
        timers.dispose();
        RequestRoad.Answer toCancel;
        synchronized (this) {
            toCancel = over() ? null : answer;
            phase = over() ? phase : Phase.GONE;
        }
        cancel(toCancel);
    }

    private boolean over() {
        return phase == Phase.ANSWERED || phase == Phase.GONE;
    }

    private void cancel(RequestRoad.@Nullable Answer toCancel) {
        if (toCancel != null) {
            blocking.schedule(toCancel::cancel);
        }
    }
}
