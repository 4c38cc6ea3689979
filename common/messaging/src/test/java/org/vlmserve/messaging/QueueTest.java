package org.vlmserve.messaging;

import static org.assertj.core.api.Assertions.assertThat;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.DeadLetter;
import org.vlmserve.protocol.EncoderJob;
import org.vlmserve.protocol.ImageJob;
import org.vlmserve.protocol.TileJob;
import org.vlmserve.protocol.WireCodec;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** Jobs that are slow, crash, hang or lose their worker. */
class QueueTest {

    private static final Duration SOON = Duration.ofSeconds(90);

    private final List<AutoCloseable> open = new ArrayList<>();
    private Road road;
    private KafkaRequestRoad requests;

    @BeforeEach
    void start() {
        road = new Road(TestBroker.config(), "gateway-" + System.nanoTime(), new SimpleMeterRegistry());
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

    private void restOf(String model) {
        opened(Echo.Instance.projector(model, 1, Echo::project));
        opened(Echo.Instance.decoder(model, new Echo.Decoder(16, Duration.ZERO)));
    }

    private Answered ask(String model, Duration deadline, String picture) {
        Answered answered = new Answered();
        requests.submit(Echo.ask(model, "tenant", deadline, "what", picture), answered);
        return answered;
    }

    private static String content(EncoderJob job) {
        return new String(Echo.file((ImageJob) job), java.nio.charset.StandardCharsets.UTF_8);
    }

    private static Predicate<byte[]> poisoned() {
        return value -> WireCodec.decode(value) instanceof DeadLetter letter && letter.code() == ErrorCode.POISONED;
    }

    @Test
    void moreWorkersThanPartitionsAllWork() throws InterruptedException {
        String model = "more-workers";
        int workers = 6;
        CyclicBarrier all = new CyclicBarrier(workers);
        opened(Echo.Instance.encoder(model, workers, (job, context) -> {
            // Passes only when every worker holds a job at the same time.
            all.await(60, TimeUnit.SECONDS);
            Echo.encode(job, context);
        }));
        restOf(model);
        Await.serving(road, model);
        List<Answered> answers = new ArrayList<>();
        for (int i = 0; i < workers; i++) {
            answers.add(ask(model, Duration.ofMinutes(3), "picture " + i));
        }
        for (int i = 0; i < workers; i++) {
            assertThat(answers.get(i).text(SOON)).isEqualTo(Echo.answer("what", List.of("picture " + i)));
        }
    }

    @Test
    void aLockIsRenewedWhileAWorkerComputes() throws InterruptedException {
        String model = "long-job";
        AtomicInteger computed = new AtomicInteger();
        JobHandler<EncoderJob> slow = (job, context) -> {
            computed.incrementAndGet();
            Thread.sleep(TestBroker.config().lockDuration().multipliedBy(5).dividedBy(2));
            Echo.encode(job, context);
        };
        opened(Echo.Instance.encoder(model, 1, slow));
        Echo.Instance idle = opened(Echo.Instance.encoder(model, 1, slow));
        restOf(model);
        Await.serving(road, model);
        assertThat(ask(model, Duration.ofMinutes(3), "large").text(SOON))
                .isEqualTo(Echo.answer("what", List.of("large")));
        assertThat(computed).hasValue(1);
        assertThat(idle.metrics.find("vlm.jobs.redelivered").counter()).isNull();
    }

    @Test
    void aJobThatAlwaysCrashesIsPoisonedAndTheOthersGoOn() throws InterruptedException {
        String model = "poison";
        AtomicInteger crashes = new AtomicInteger();
        Echo.Instance encoder = opened(Echo.Instance.encoder(model, 2, (job, context) -> {
            if (content(job).equals("poison")) {
                crashes.incrementAndGet();
                throw new IllegalStateException("this picture always crashes its worker");
            }
            Echo.encode(job, context);
        }));
        restOf(model);
        Await.serving(road, model);
        Answered poison = ask(model, Duration.ofMinutes(3), "poison");
        Answered healthy = ask(model, Duration.ofMinutes(3), "healthy");
        assertThat(healthy.text(SOON)).isEqualTo(Echo.answer("what", List.of("healthy")));
        AnswerEvent.Failed failed = poison.failure(SOON);
        assertThat(failed.code()).isEqualTo(ErrorCode.POISONED);
        assertThat(crashes).hasValue(TestBroker.config().maxDeliveries());
        assertThat(TestBroker.values(Topics.dead(Topics.images(Echo.model(model)))))
                .anyMatch(poisoned());
        assertThat(encoder.metrics.get("vlm.jobs.poisoned").counter().count()).isEqualTo(1);
    }

    @Test
    void aKilledWorkersJobIsDoneByAnother() throws IOException, InterruptedException {
        String model = "killed-worker";
        restOf(model);
        try (StageProcess process = StageProcess.start("encoder", model)) {
            Await.serving(road, model);
            Answered answered = ask(model, Duration.ofMinutes(3), "a picture");
            process.awaitLine("computing");
            opened(Echo.Instance.encoder(model, 1, Echo::encode));
            process.kill();
            assertThat(answered.text(SOON)).isEqualTo(Echo.answer("what", List.of("a picture")));
        }
    }

    @Test
    void aJobThatKillsEachProcessIsPoisonedByTheNext() throws IOException, InterruptedException {
        String model = "killer";
        restOf(model);
        try (StageProcess first = StageProcess.start("mortal-encoder", model);
                StageProcess second = StageProcess.start("mortal-encoder", model);
                StageProcess third = StageProcess.start("mortal-encoder", model)) {
            Await.serving(road, model);
            Answered answered = ask(model, Duration.ofMinutes(3), "killer");
            for (StageProcess process : List.of(first, second, third)) {
                assertThat(process.died(SOON)).isTrue();
            }
            AtomicInteger computed = new AtomicInteger();
            opened(Echo.Instance.encoder(model, 1, (job, context) -> computed.incrementAndGet()));
            assertThat(answered.failure(SOON).code()).isEqualTo(ErrorCode.POISONED);
            assertThat(computed).hasValue(0);
            assertThat(TestBroker.values(Topics.dead(Topics.images(Echo.model(model)))))
                    .anyMatch(poisoned());
        }
    }

    @Test
    void cancellingStopsAWaitingAndARunningJob() throws InterruptedException {
        String model = "cancel-encoder";
        CountDownLatch computing = new CountDownLatch(1);
        CountDownLatch stopped = new CountDownLatch(1);
        Set<String> begun = ConcurrentHashMap.newKeySet();
        Echo.Instance encoder = opened(Echo.Instance.encoder(model, 1, (job, context) -> {
            begun.add(content(job));
            if (content(job).equals("slow")) {
                computing.countDown();
                untilStopped(context, stopped);
            }
            Echo.encode(job, context);
        }));
        restOf(model);
        Await.serving(road, model);
        Answered slow = new Answered();
        RequestRoad.Answer running = requests.submit(Echo.ask(model, "what", "slow"), slow);
        assertThat(computing.await(60, TimeUnit.SECONDS)).isTrue();
        Answered never = new Answered();
        RequestRoad.Answer waiting = requests.submit(Echo.ask(model, "what", "waiting"), never);
        waiting.cancel();
        running.cancel();
        assertThat(stopped.await(5, TimeUnit.SECONDS)).isTrue();
        assertThat(ask(model, Duration.ofMinutes(3), "next").text(SOON))
                .isEqualTo(Echo.answer("what", List.of("next")));
        assertThat(begun).containsExactlyInAnyOrder("slow", "next");
        assertThat(slow.heard() + never.heard()).isZero();
        assertThat(encoder.metrics
                        .get("vlm.jobs.failed")
                        .tag("code", "cancelled")
                        .counter()
                        .count())
                .isEqualTo(2);
    }

    @Test
    void cancellingStopsAProjector() throws InterruptedException {
        String model = "cancel-projector";
        CountDownLatch computing = new CountDownLatch(1);
        CountDownLatch stopped = new CountDownLatch(1);
        opened(Echo.Instance.encoder(model, 1, Echo::encode));
        opened(Echo.Instance.projector(model, 1, (slice, context) -> {
            computing.countDown();
            untilStopped(context, stopped);
        }));
        opened(Echo.Instance.decoder(model, new Echo.Decoder(16, Duration.ZERO)));
        Await.serving(road, model);
        RequestRoad.Answer running = requests.submit(Echo.ask(model, "what", "one"), new Answered());
        assertThat(computing.await(60, TimeUnit.SECONDS)).isTrue();
        running.cancel();
        assertThat(stopped.await(5, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void anotherRequestForADroppedPictureGetsIt() throws InterruptedException {
        String model = "dropped-picture";
        CountDownLatch computing = new CountDownLatch(1);
        CountDownLatch stopped = new CountDownLatch(1);
        AtomicInteger tries = new AtomicInteger();
        opened(Echo.Instance.encoder(model, 1, (job, context) -> {
            if (tries.incrementAndGet() == 1) {
                computing.countDown();
                untilStopped(context, stopped);
            }
            Echo.encode(job, context);
        }));
        restOf(model);
        Await.serving(road, model);
        RequestRoad.Answer first = requests.submit(Echo.ask(model, "first", "shared"), new Answered());
        assertThat(computing.await(60, TimeUnit.SECONDS)).isTrue();
        Answered second = new Answered();
        requests.submit(Echo.ask(model, "second", "shared"), second);
        first.cancel();
        assertThat(second.text(SOON)).isEqualTo(Echo.answer("second", List.of("shared")));
        assertThat(tries).hasValue(2);
    }

    @Test
    void theDeadlineEndsARequestAndItsWork() throws InterruptedException {
        String model = "deadline";
        CountDownLatch stopped = new CountDownLatch(1);
        opened(Echo.Instance.encoder(model, 1, (job, context) -> {
            if (content(job).equals("slow")) {
                untilStopped(context, stopped);
            }
            Echo.encode(job, context);
        }));
        restOf(model);
        Await.serving(road, model);
        long start = System.nanoTime();
        Answered slow = ask(model, Duration.ofSeconds(2), "slow");
        assertThat(slow.failure(Duration.ofSeconds(4)).code()).isEqualTo(ErrorCode.DEADLINE_EXCEEDED);
        assertThat(Duration.ofNanos(System.nanoTime() - start))
                .isBetween(Duration.ofMillis(1900), Duration.ofSeconds(4));
        assertThat(stopped.await(5, TimeUnit.SECONDS)).isTrue();
        assertThat(ask(model, Duration.ofMinutes(3), "quick").text(SOON))
                .isEqualTo(Echo.answer("what", List.of("quick")));
    }

    @Test
    void aClosedQueueHandsItsJobBack() throws InterruptedException {
        String model = "handed-back";
        CountDownLatch computing = new CountDownLatch(1);
        Echo.Instance leaving = opened(Echo.Instance.encoder(model, 1, (job, context) -> {
            computing.countDown();
            while (true) {
                context.checkpoint();
                Thread.sleep(20);
            }
        }));
        restOf(model);
        Await.serving(road, model);
        Answered answered = ask(model, Duration.ofMinutes(3), "a picture");
        assertThat(computing.await(60, TimeUnit.SECONDS)).isTrue();
        opened(Echo.Instance.encoder(model, 1, Echo::encode));
        leaving.closeNow();
        assertThat(answered.text(SOON)).isEqualTo(Echo.answer("what", List.of("a picture")));
    }

    @Test
    void workersThatRestartDoNotPoisonALongJob() throws InterruptedException {
        String model = "restarting-workers";
        restOf(model);
        CountDownLatch computing = new CountDownLatch(1);
        Echo.Instance leaving = Echo.Instance.encoder(model, 1, hanging(computing));
        Await.serving(road, model);
        Answered answered = ask(model, Duration.ofMinutes(3), "a picture");
        for (int restart = 0; restart <= TestBroker.config().maxDeliveries(); restart++) {
            assertThat(computing.await(60, TimeUnit.SECONDS)).isTrue();
            computing = new CountDownLatch(1);
            // As a rolling restart does: the next is there before the last one leaves.
            Echo.Instance next = Echo.Instance.encoder(
                    model, 1, restart < TestBroker.config().maxDeliveries() ? hanging(computing) : Echo::encode);
            leaving.closeNow();
            leaving = next;
        }
        opened(leaving);
        assertThat(answered.text(SOON)).isEqualTo(Echo.answer("what", List.of("a picture")));
    }

    /** Never ends by itself. */
    private static JobHandler<EncoderJob> hanging(CountDownLatch computing) {
        return (job, context) -> {
            computing.countDown();
            while (true) {
                context.checkpoint();
                Thread.sleep(20);
            }
        };
    }

    @Test
    void aJobThatIsPutBackKeepsItsCrashes() throws InterruptedException {
        String model = "crashes-are-kept";
        restOf(model);
        int most = TestBroker.config().maxDeliveries();
        AtomicInteger tries = new AtomicInteger();
        CountDownLatch computing = new CountDownLatch(1);
        Echo.Instance leaving = Echo.Instance.encoder(model, 1, (job, context) -> {
            if (tries.incrementAndGet() < most) {
                throw new IllegalStateException("crash " + tries);
            }
            computing.countDown();
            while (true) {
                context.checkpoint();
                Thread.sleep(20);
            }
        });
        Await.serving(road, model);
        Answered answered = ask(model, Duration.ofMinutes(3), "a picture");
        assertThat(computing.await(60, TimeUnit.SECONDS)).isTrue();
        leaving.closeNow();
        opened(Echo.Instance.encoder(model, 1, (job, context) -> {
            tries.incrementAndGet();
            throw new IllegalStateException("the last crash");
        }));
        assertThat(answered.failure(SOON).code()).isEqualTo(ErrorCode.POISONED);
        assertThat(tries).hasValue(most + 1);
    }

    @Test
    void tilesOfOnePictureAreEncodedByDifferentInstances() throws InterruptedException {
        String model = "tiles";
        restOf(model);
        CyclicBarrier both = new CyclicBarrier(2);
        Set<String> encoders = ConcurrentHashMap.newKeySet();
        for (String name : List.of("one", "other")) {
            opened(Echo.Instance.encoder(model, 1, (job, context) -> {
                if (job instanceof TileJob) {
                    encoders.add(name);
                    // Passes only when two tiles are encoded at the same time.
                    both.await(60, TimeUnit.SECONDS);
                }
                Echo.encode(job, context);
            }));
        }
        Await.serving(road, model);
        String picture = "#seventeen bytes.";
        Answered answered = ask(model, Duration.ofMinutes(3), picture);
        assertThat(answered.text(SOON)).isEqualTo(Echo.answer("what", List.of(picture)));
        assertThat(encoders).containsExactlyInAnyOrder("one", "other");
        // Five tiles, each of which took seven milliseconds.
        assertThat(((AnswerEvent.Finished) answered.last(SOON)).times().encode())
                .isEqualTo(Duration.ofMillis(35));
    }

    @Test
    void aKilledEncodersTileIsEncodedByAnother() throws IOException, InterruptedException {
        String model = "killed-tile";
        restOf(model);
        try (StageProcess process = StageProcess.start("slow-tiler", model)) {
            Await.serving(road, model);
            String picture = "#a picture in tiles";
            Answered answered = ask(model, Duration.ofMinutes(3), picture);
            process.awaitLine("tile");
            opened(Echo.Instance.encoder(model, 1, Echo::encode));
            process.kill();
            assertThat(answered.text(SOON)).isEqualTo(Echo.answer("what", List.of(picture)));
        }
    }

    @Test
    void aTileThatAlwaysCrashesPoisonsItsPicture() throws InterruptedException {
        String model = "poisonous-tile";
        restOf(model);
        opened(Echo.Instance.encoder(model, 1, (job, context) -> {
            if (job instanceof TileJob tile && tile.tile() == 2) {
                throw new IllegalStateException("this tile always crashes its worker");
            }
            Echo.encode(job, context);
        }));
        Await.serving(road, model);
        assertThat(ask(model, Duration.ofMinutes(3), "#a picture in tiles")
                        .failure(SOON)
                        .code())
                .isEqualTo(ErrorCode.POISONED);
        assertThat(TestBroker.values(Topics.dead(Topics.images(Echo.model(model)))))
                .anyMatch(poisoned());
        assertThat(ask(model, Duration.ofMinutes(3), "#tile").text(SOON))
                .isEqualTo(Echo.answer("what", List.of("#tile")));
    }

    @Test
    void cancellingStopsATile() throws InterruptedException {
        String model = "cancelled-tile";
        restOf(model);
        CountDownLatch computing = new CountDownLatch(1);
        CountDownLatch stopped = new CountDownLatch(1);
        AtomicInteger tiles = new AtomicInteger();
        opened(Echo.Instance.encoder(model, 1, (job, context) -> {
            if (job instanceof TileJob) {
                tiles.incrementAndGet();
                computing.countDown();
                untilStopped(context, stopped);
            }
            Echo.encode(job, context);
        }));
        Await.serving(road, model);
        RequestRoad.Answer running = requests.submit(Echo.ask(model, "what", "#a picture in tiles"), new Answered());
        assertThat(computing.await(60, TimeUnit.SECONDS)).isTrue();
        running.cancel();
        assertThat(stopped.await(5, TimeUnit.SECONDS)).isTrue();
        assertThat(ask(model, Duration.ofMinutes(3), "next").text(SOON))
                .isEqualTo(Echo.answer("what", List.of("next")));
        assertThat(tiles).as("the other tiles are dropped unseen").hasValue(1);
    }

    private static void untilStopped(JobContext context, CountDownLatch stopped) throws InterruptedException {
        try {
            while (true) {
                context.checkpoint();
                Thread.sleep(20);
            }
        } catch (VlmException e) {
            stopped.countDown();
            throw e;
        }
    }
}
