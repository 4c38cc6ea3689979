package org.vlmserve.gateway.chat;

import java.time.Duration;
import java.time.Instant;
import java.util.Queue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.MDC;
import org.vlmserve.messaging.AnswerListener;
import org.vlmserve.messaging.AskRequest;
import org.vlmserve.messaging.RequestRoad;
import org.vlmserve.protocol.AnswerEvent;
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

    private final int capacity;
    private final Scheduler blocking;
    private final Queue<Signal> buffer;
    private final Sinks.Many<Signal> sink;
    private final Disposable.Composite timers = Disposables.composite();

    // Guarded by this. The road is never called under the lock: its threads call us, perhaps under a lock of their own.
    private Phase phase = Phase.SUBMITTING;
    private RequestRoad.@Nullable Answer answer;
    private long lastSignalNanos = System.nanoTime();

    private AnswerStream(int capacity, Scheduler blocking) {
        this.capacity = capacity;
        this.blocking = blocking;
        this.buffer = new LinkedBlockingQueue<>(capacity);
        this.sink = Sinks.unsafe().many().unicast().onBackpressureBuffer(buffer);
    }

    /**
     * Asks when subscribed to.
     *
     * @param keepAlive how long may pass in silence before {@code Idle} is signalled, or null for never
     * @param capacity signals that may wait for the subscriber
     * @param blocking where {@link RequestRoad#submit} may block
     */
    static Flux<Signal> ask(
            RequestRoad road, AskRequest request, @Nullable Duration keepAlive, int capacity, Scheduler blocking) {
        return Flux.defer(() -> {
            AnswerStream stream = new AnswerStream(capacity, blocking);
            // Not as a Callable: Reactor would interrupt the thread on cancel, and an interrupted submit may have been
            // produced already without an Answer that could be cancelled.
            blocking.schedule(() -> stream.submit(road, request));
            stream.startTimers(request.deadline(), keepAlive);
            return stream.sink.asFlux().doFinally(signal -> stream.leave());
        });
    }

    private void submit(RequestRoad road, AskRequest request) {
        try (var ignored = MDC.putCloseable("answer_id", request.requestId())) {
            RequestRoad.Answer submitted = road.submit(request, this);
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
            overflow = sink.tryEmitNext(signal) == Sinks.EmitResult.FAIL_OVERFLOW;
        }
        if (overflow) {
            fail(
                    new VlmException(
                            ErrorCode.CANCELLED,
                            "the answer was read too slowly: " + capacity + " events were waiting"),
                    false);
        }
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
