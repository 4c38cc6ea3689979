package org.vlmserve.messaging;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.vlmserve.protocol.AnswerEvent;

/** A listener that keeps what it hears and checks the promises of {@link AnswerListener} on the way. */
final class Answered implements AnswerListener {

    private final List<AnswerEvent> events = new ArrayList<>();
    private final CountDownLatch last = new CountDownLatch(1);
    private final StringBuilder text = new StringBuilder();
    private String broken = "";
    private int next;

    @Override
    public synchronized void onEvent(AnswerEvent event) {
        if (last.getCount() == 0) {
            broken = event + " after the last event";
        }
        events.add(event);
        switch (event) {
            case AnswerEvent.Token token -> {
                if (token.index() != next) {
                    broken = "token " + token.index() + " where " + next + " was next";
                }
                next++;
                text.append(token.text());
            }
            case AnswerEvent.Finished finished -> last.countDown();
            case AnswerEvent.Failed failed -> last.countDown();
            default -> broken = event + " is not for a listener";
        }
        notifyAll();
    }

    synchronized int heard() {
        return events.size();
    }

    synchronized void awaitTokens(int count, Duration atMost) throws InterruptedException {
        long until = System.nanoTime() + atMost.toNanos();
        while (next < count) {
            long left = until - System.nanoTime();
            assertThat(left).as("time for token %s, heard %s", count, this).isPositive();
            assertThat(last.getCount())
                    .as("the answer goes on to token %s, heard %s", count, this)
                    .isOne();
            wait(Math.max(1, left / 1_000_000));
        }
    }

    AnswerEvent last(Duration atMost) throws InterruptedException {
        assertThat(last.await(atMost.toMillis(), TimeUnit.MILLISECONDS))
                .as("an answer's end within %s, heard %s", atMost, this)
                .isTrue();
        synchronized (this) {
            assertThat(broken).isEmpty();
            return events.getLast();
        }
    }

    /** The whole text, which must be both the tokens' and that of the end. */
    String text(Duration atMost) throws InterruptedException {
        AnswerEvent end = last(atMost);
        assertThat(end).isInstanceOf(AnswerEvent.Finished.class);
        synchronized (this) {
            assertThat(((AnswerEvent.Finished) end).text()).isEqualTo(text.toString());
            return text.toString();
        }
    }

    AnswerEvent.Failed failure(Duration atMost) throws InterruptedException {
        AnswerEvent end = last(atMost);
        assertThat(end).isInstanceOf(AnswerEvent.Failed.class);
        return (AnswerEvent.Failed) end;
    }

    @Override
    public synchronized String toString() {
        return events.size() + " events, last " + (events.isEmpty() ? "none" : events.getLast());
    }
}
