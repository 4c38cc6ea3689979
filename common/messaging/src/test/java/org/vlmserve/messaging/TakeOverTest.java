package org.vlmserve.messaging;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.DeadLetter;
import org.vlmserve.protocol.WireCodec;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** Decoders that come, go and die while they answer. */
class TakeOverTest {

    private static final Duration SOON = Duration.ofSeconds(90);
    private static final Duration PACE = Duration.ofMillis(50);
    private static final String LONG =
            "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
                    + " eighteen nineteen twenty";

    private final List<AutoCloseable> open = new ArrayList<>();
    private final SimpleMeterRegistry metrics = new SimpleMeterRegistry();
    private Road road;
    private KafkaRequestRoad requests;

    @BeforeEach
    void start() {
        road = new Road(TestBroker.config(), "gateway-" + System.nanoTime(), metrics);
        requests = road.requests();
    }

    @AfterEach
    void stop() throws Exception {
        requests.close();
        for (AutoCloseable part : open) {
            part.close();
        }
        road.close();
    }

    private <T extends AutoCloseable> T opened(T part) {
        open.add(part);
        return part;
    }

    private void picturesOf(String model) {
        opened(Echo.Instance.encoder(model, 1, Echo::encode));
        opened(Echo.Instance.projector(model, 1, Echo::project));
    }

    @Test
    void aKilledDecodersAnswerGoesOnAtTheNextToken() throws IOException, InterruptedException {
        String model = "killed-decoder";
        picturesOf(model);
        try (StageProcess process = StageProcess.start("decoder", model)) {
            Await.serving(road, model);
            Answered answered = new Answered();
            requests.submit(Echo.ask(model, LONG, "a picture"), answered);
            answered.awaitTokens(12, SOON);
            Echo.Decoder second = new Echo.Decoder(4, Duration.ZERO);
            opened(Echo.Instance.decoder(model, second));
            process.kill();
            assertThat(answered.text(SOON)).isEqualTo(Echo.answer(LONG, List.of("a picture")));
            assertThat(second.started).hasValue(1);
            assertThat(((AnswerEvent.Finished) answered.last(SOON)).attempt()).isEqualTo(2);
        }
    }

    @Test
    void newDecodersTakeTheirShareOfWhatWaits() throws InterruptedException {
        String model = "one-to-three";
        picturesOf(model);
        Echo.Decoder first = new Echo.Decoder(2, PACE);
        opened(Echo.Instance.decoder(model, first));
        Await.serving(road, model);
        List<Answered> answers = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            Answered answered = new Answered();
            answers.add(answered);
            requests.submit(Echo.ask(model, LONG, "picture " + i), answered);
        }
        Echo.Decoder second = new Echo.Decoder(2, PACE);
        Echo.Decoder third = new Echo.Decoder(2, PACE);
        opened(Echo.Instance.decoder(model, second));
        opened(Echo.Instance.decoder(model, third));
        for (int i = 0; i < 20; i++) {
            assertThat(answers.get(i).text(SOON)).isEqualTo(Echo.answer(LONG, List.of("picture " + i)));
        }
        assertThat(first.started.get() + second.started.get() + third.started.get())
                .isEqualTo(20);
        assertThat(second.started.get() + third.started.get()).isPositive();
    }

    @Test
    void decodersThatRestartDoNotPoisonALongAnswer() throws InterruptedException {
        String model = "restarting-decoders";
        picturesOf(model);
        Answered answered = new Answered();
        Duration pace = Duration.ofMillis(200);
        String question = LONG.repeat(5);
        Echo.Instance leaving = Echo.Instance.decoder(model, new Echo.Decoder(4, pace));
        Await.serving(road, model);
        requests.submit(Echo.ask(model, question, "patient"), answered);
        for (int attempt = 1; attempt <= 4; attempt++) {
            // As a rolling restart does: the next is there before the last one leaves.
            Echo.Instance next = Echo.Instance.decoder(model, new Echo.Decoder(4, attempt < 4 ? pace : Duration.ZERO));
            answered.awaitTokens(3 * attempt, SOON);
            leaving.closeNow();
            leaving = next;
        }
        opened(leaving);
        assertThat(answered.text(SOON)).isEqualTo(Echo.answer(question, List.of("patient")));
        assertThat(((AnswerEvent.Finished) answered.last(SOON)).attempt()).isEqualTo(5);
    }

    @Test
    void afterThreeDeadAttemptsARequestIsPoisoned() throws IOException, InterruptedException {
        String model = "dead-attempts";
        picturesOf(model);
        Answered answered = new Answered();
        try (StageProcess first = StageProcess.start("mortal-decoder", model);
                StageProcess second = StageProcess.start("mortal-decoder", model);
                StageProcess third = StageProcess.start("mortal-decoder", model)) {
            Await.serving(road, model);
            requests.submit(Echo.ask(model, LONG, "deadly"), answered);
            for (StageProcess process : List.of(first, second, third)) {
                assertThat(process.died(SOON)).isTrue();
            }
        }
        opened(Echo.Instance.decoder(model, new Echo.Decoder(4, Duration.ZERO)));
        AnswerEvent.Failed failed = answered.failure(SOON);
        assertThat(failed.code()).isEqualTo(ErrorCode.POISONED);
        Await.until(
                "a dead letter",
                SOON,
                () -> TestBroker.values(Topics.dead(Topics.prompts(Echo.model(model)))).stream()
                        .anyMatch(value -> WireCodec.decode(value) instanceof DeadLetter letter
                                && letter.code() == ErrorCode.POISONED));
        Answered next = new Answered();
        Await.serving(road, model);
        requests.submit(Echo.ask(model, "and now", "harmless"), next);
        assertThat(next.text(SOON)).isEqualTo(Echo.answer("and now", List.of("harmless")));
    }

    @Test
    void aPictureThatADecoderLacksIsSentAgain() throws InterruptedException {
        String model = "missing";
        picturesOf(model);
        Echo.Instance first = Echo.Instance.decoder(model, new Echo.Decoder(4, Duration.ZERO));
        Await.serving(road, model);
        Answered before = new Answered();
        requests.submit(Echo.ask(model, "first question", "a document"), before);
        before.text(SOON);
        // Closed earlier, the prompt would count as unfinished and its picture would be read from the log again.
        Await.until(
                "the decoder has seen the end",
                SOON,
                () -> first.metrics.get("vlm.prompts.running").gauge().value() == 0);
        first.close();
        opened(Echo.Instance.decoder(model, new Echo.Decoder(4, Duration.ZERO)));
        Await.serving(road, model);
        Answered after = new Answered();
        requests.submit(Echo.ask(model, "second question", "a document"), after);
        assertThat(after.text(SOON)).isEqualTo(Echo.answer("second question", List.of("a document")));
        assertThat(metrics.get("vlm.pictures.resent").counter().count()).isEqualTo(1);
    }

    @Test
    void picturesThatNobodyWaitsForAreLetGo() throws InterruptedException {
        String model = "small-store";
        picturesOf(model);
        // Room for one of these pictures, 200 rows of 8 bytes, but not for two.
        Echo.Instance decoder = opened(Echo.Instance.decoder(model, new Echo.Decoder(4, Duration.ZERO), 2_000));
        Await.serving(road, model);
        for (String picture : List.of("a".repeat(200), "b".repeat(200), "a".repeat(200))) {
            Answered answered = new Answered();
            requests.submit(Echo.ask(model, "what", picture), answered);
            assertThat(answered.text(SOON)).isEqualTo(Echo.answer("what", List.of(picture)));
        }
        assertThat(decoder.metrics.get("vlm.pictures.bytes").gauge().value()).isLessThanOrEqualTo(2_000);
        Answered tooLarge = new Answered();
        requests.submit(Echo.ask(model, "what", "c".repeat(300)), tooLarge);
        assertThat(tooLarge.failure(SOON).code()).isEqualTo(ErrorCode.OUT_OF_MEMORY);
    }

    @Test
    void picturesThatDoNotFitWaitInTheLog() throws InterruptedException {
        String model = "spill";
        AtomicInteger encoded = new AtomicInteger();
        opened(Echo.Instance.encoder(model, 1, (job, context) -> {
            encoded.incrementAndGet();
            Echo.encode(job, context);
        }));
        opened(Echo.Instance.projector(model, 1, Echo::project));
        AtomicBoolean full = new AtomicBoolean(true);
        Echo.Decoder decoder = new Echo.Decoder(1, Duration.ZERO) {
            @Override
            public int freeSlots() {
                return full.get() ? 0 : super.freeSlots();
            }
        };
        // Room for one picture of 200 rows of 8 bytes, while four wait.
        Echo.Instance instance = opened(Echo.Instance.decoder(model, decoder, 2_000));
        Await.serving(road, model);
        List<String> pictures = List.of("a".repeat(200), "b".repeat(200), "c".repeat(200), "d".repeat(200));
        List<Answered> answers = new ArrayList<>();
        for (String picture : pictures) {
            Answered answered = new Answered();
            answers.add(answered);
            requests.submit(Echo.ask(model, "what", picture), answered);
        }
        Await.until("three pictures are left in the log", SOON, () -> {
            var spilled = instance.metrics.find("vlm.pictures.spilled").counter();
            return spilled != null && spilled.count() >= 3;
        });
        Await.until(
                "the store keeps to its budget",
                SOON,
                () -> instance.metrics.get("vlm.pictures.bytes").gauge().value() <= 2_000);
        full.set(false);
        for (int i = 0; i < pictures.size(); i++) {
            assertThat(answers.get(i).text(SOON)).isEqualTo(Echo.answer("what", List.of(pictures.get(i))));
        }
        assertThat(encoded).hasValue(4);
    }

    @Test
    void cancellingStopsAnAnswer() throws InterruptedException {
        String model = "cancel-decoder";
        picturesOf(model);
        Echo.Decoder decoder = new Echo.Decoder(4, PACE);
        opened(Echo.Instance.decoder(model, decoder));
        Await.serving(road, model);
        Answered answered = new Answered();
        RequestRoad.Answer answer = requests.submit(Echo.ask(model, LONG.repeat(20)), answered);
        answered.awaitTokens(3, SOON);
        answer.cancel();
        int heard = answered.heard();
        Await.until("the decoder stops", SOON, () -> decoder.stopped.get() == 1);
        assertThat(answered.heard()).isEqualTo(heard);
    }

    @Test
    void aWaitingPromptIsDroppedAtItsDeadlineWithoutBeingBegun() throws InterruptedException {
        String model = "prompt-deadline";
        picturesOf(model);
        Echo.Decoder busy = new Echo.Decoder(0, Duration.ZERO);
        Echo.Instance decoder = opened(Echo.Instance.decoder(model, busy));
        Await.serving(road, model);
        Answered answered = new Answered();
        requests.submit(Echo.ask(model, "tenant", Duration.ofSeconds(2), "what"), answered);
        assertThat(answered.failure(SOON).code()).isEqualTo(ErrorCode.DEADLINE_EXCEEDED);
        Await.until(
                "the decoder drops it",
                SOON,
                () -> decoder.metrics.get("vlm.prompts.waiting").gauge().value() == 0);
        assertThat(busy.started).hasValue(0);
    }

    @Test
    void aFullDecoderRefuses() throws InterruptedException {
        String model = "full";
        picturesOf(model);
        Echo.Decoder busy = new Echo.Decoder(0, Duration.ZERO) {
            @Override
            int capacity() {
                return 1;
            }
        };
        Echo.Instance decoder = opened(Echo.Instance.decoder(model, busy));
        Await.serving(road, model);
        for (int i = 0; i < 2; i++) {
            requests.submit(Echo.ask(model, "waits"), event -> {});
        }
        Await.until(
                "the decoder reports it",
                SOON,
                () -> road.status().live().stream()
                        .flatMap(status -> status.models().stream())
                        .anyMatch(served -> served.model().model().equals(model) && served.full()));
        VlmException error = catchThrowableOfType(
                VlmException.class, () -> requests.submit(Echo.ask(model, "one too many"), event -> {}));
        assertThat(error.code()).isEqualTo(ErrorCode.OVERLOADED);
        assertThat(decoder.metrics.get("vlm.prompts.waiting").gauge().value()).isEqualTo(2);
    }
}
