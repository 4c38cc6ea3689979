package org.vlmserve.messaging;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.vlmserve.messaging.AnswerLog.Verdict;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.StageTimes;
import org.vlmserve.protocol.error.ErrorCode;

/** Which events of a contested request count. */
class AnswerLogTest {

    private final AnswerLog log = new AnswerLog();

    private Verdict started(int attempt, String instance) {
        return log.read(new AnswerEvent.Started("r", attempt, instance));
    }

    private Verdict token(int attempt, String instance, int index) {
        return log.read(new AnswerEvent.Token("r", attempt, instance, index, 1, "t", null, List.of()));
    }

    private Verdict finished(int attempt, String instance) {
        return log.read(new AnswerEvent.Finished(
                "r",
                attempt,
                instance,
                AnswerEvent.FinishReason.STOP,
                "",
                new AnswerEvent.Usage(0, 0, 0, 0),
                new StageTimes(
                        Duration.ZERO, Duration.ZERO, Duration.ZERO, Duration.ZERO, Duration.ZERO, Duration.ZERO),
                List.of(),
                List.of(),
                List.of()));
    }

    private Verdict failed(int attempt, String instance) {
        return log.read(new AnswerEvent.Failed("r", attempt, instance, ErrorCode.INTERNAL, "m"));
    }

    @Test
    void theFirstClaimOfAnAttemptWins() {
        assertThat(started(1, "a")).isEqualTo(Verdict.COUNTS);
        assertThat(started(1, "b")).isEqualTo(Verdict.VOID);
        assertThat(token(1, "b", 0)).isEqualTo(Verdict.VOID);
        assertThat(token(1, "a", 0)).isEqualTo(Verdict.COUNTS);
        assertThat(finished(1, "b")).isEqualTo(Verdict.VOID);
        assertThat(finished(1, "a")).isEqualTo(Verdict.COUNTS);
    }

    @Test
    void aHigherAttemptSupersedesAndGoesOnAtTheNextIndex() {
        started(1, "a");
        token(1, "a", 0);
        assertThat(started(2, "b")).isEqualTo(Verdict.COUNTS);
        assertThat(token(1, "a", 1)).as("a decoder that was believed dead").isEqualTo(Verdict.VOID);
        assertThat(finished(1, "a")).isEqualTo(Verdict.VOID);
        assertThat(failed(1, "a")).isEqualTo(Verdict.VOID);
        assertThat(token(2, "b", 1)).isEqualTo(Verdict.COUNTS);
        assertThat(started(1, "c")).isEqualTo(Verdict.VOID);
        assertThat(log.attempt()).isEqualTo(2);
        assertThat(log.instance()).isEqualTo("b");
    }

    @Test
    void aTokenCountsOnceAndInOrder() {
        started(1, "a");
        assertThat(token(1, "a", 0)).isEqualTo(Verdict.COUNTS);
        assertThat(token(1, "a", 0)).isEqualTo(Verdict.VOID);
        assertThat(token(1, "a", 2)).isEqualTo(Verdict.GAP);
        assertThat(token(1, "a", 1)).isEqualTo(Verdict.COUNTS);
        assertThat(log.next()).isEqualTo(2);
    }

    @Test
    void aRequestThatNobodyBeganCanBeEnded() {
        assertThat(token(1, "a", 0)).isEqualTo(Verdict.VOID);
        assertThat(failed(1, "a")).isEqualTo(Verdict.COUNTS);
        assertThat(log.ended()).isTrue();
        assertThat(started(2, "b")).as("after the end").isEqualTo(Verdict.VOID);
    }

    @Test
    void aReleasedClaimIsNobodysAndHasNotFailed() {
        started(1, "a");
        token(1, "a", 0);
        assertThat(log.read(new AnswerEvent.Released("r", 1, "b"))).isEqualTo(Verdict.VOID);
        assertThat(log.read(new AnswerEvent.Released("r", 1, "a"))).isEqualTo(Verdict.COUNTS);
        assertThat(log.instance()).isEmpty();
        assertThat(token(1, "a", 1)).as("written after the release").isEqualTo(Verdict.VOID);
        assertThat(started(2, "b")).isEqualTo(Verdict.COUNTS);
        assertThat(token(2, "b", 1)).isEqualTo(Verdict.COUNTS);
        assertThat(log.attempt() - log.releases()).isEqualTo(1);
    }

    @Test
    void aDeadAttemptCanBeEndedByAnother() {
        started(1, "a");
        assertThat(failed(1, "b")).isEqualTo(Verdict.VOID);
        assertThat(failed(2, "b")).isEqualTo(Verdict.COUNTS);
    }
}
