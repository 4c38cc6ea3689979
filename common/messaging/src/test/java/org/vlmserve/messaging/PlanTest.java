package org.vlmserve.messaging;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.PlanJob;
import org.vlmserve.protocol.Stage;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** What pictures would cost, asked of encoders alone; and which stages a question needs. */
class PlanTest {

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

    private CompletableFuture<List<PictureLayout>> plan(String model, Duration deadline, PlanJob.Subject... subjects) {
        return requests.plan(new PlanRequest(
                "plan-" + Long.toHexString(ThreadLocalRandom.current().nextLong()),
                model,
                "tenant",
                Instant.now().plus(deadline),
                Arrays.stream(subjects)
                        .map(subject -> new PlanRequest.PlanInput(subject, PixelLimits.NONE))
                        .toList(),
                ""));
    }

    private static PictureFiles file(String content) {
        return PictureFiles.still(content.getBytes(StandardCharsets.UTF_8));
    }

    private void awaitStage(String model, Stage stage) throws InterruptedException {
        Await.until(stage + " of " + model, SOON, () -> road.status().capacity(stage, Echo.model(model)) > 0);
    }

    @Test
    void severalPicturesArePlannedInOrderByABusyEncoderAlone() throws Exception {
        String model = "plan";
        CountDownLatch busy = new CountDownLatch(1);
        CountDownLatch planned = new CountDownLatch(1);
        opened(Echo.Instance.encoder(model, 1, (job, context) -> {
            busy.countDown();
            planned.await(60, TimeUnit.SECONDS);
            Echo.encode(job, context);
        }));
        Echo.Instance projector = Echo.Instance.projector(model, 1, Echo::project);
        Echo.Instance decoder = Echo.Instance.decoder(model, new Echo.Decoder(4, Duration.ZERO));
        Await.serving(road, model);
        requests.submit(Echo.ask(model, "what", "a slow picture"), event -> {});
        assertThat(busy.await(60, TimeUnit.SECONDS)).isTrue();
        projector.close();
        decoder.closeNow();

        List<PictureLayout> layouts = plan(
                        model,
                        Duration.ofMinutes(1),
                        file("nine byte"),
                        new PictureSource(Medium.PICTURE, 1, 7, 3),
                        file("four"))
                .get(60, TimeUnit.SECONDS);
        planned.countDown();

        assertThat(layouts).extracting(PictureLayout::tokens).containsExactly(9, 21, 4);
    }

    @Test
    void aPictureThatCannotBeLaidOutFailsThePlan() throws InterruptedException {
        String model = "plan-failure";
        opened(Echo.Instance.encoder(model, 1, Echo::encode));
        awaitStage(model, Stage.VISION_ENCODER);
        CompletableFuture<List<PictureLayout>> plan = plan(model, Duration.ofMinutes(1), file("fine"), file(""));
        assertThatThrownBy(() -> plan.get(60, TimeUnit.SECONDS))
                .isInstanceOf(ExecutionException.class)
                .cause()
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.PICTURE_UNREADABLE));
    }

    @Test
    void aPlanNeedsAnEncoderAndNamesIt() throws InterruptedException {
        String model = "plan-without-encoder";
        opened(Echo.Instance.decoder(model, new Echo.Decoder(4, Duration.ZERO)));
        awaitStage(model, Stage.DECODER);
        long start = System.nanoTime();
        VlmException error =
                catchThrowableOfType(VlmException.class, () -> plan(model, Duration.ofMinutes(1), file("a picture")));
        assertThat(error.code()).isEqualTo(ErrorCode.STAGE_UNAVAILABLE);
        assertThat(error).hasMessageContaining("vision-encoder").hasMessageNotContaining("projector");
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(6));
    }

    @Test
    void aTextNeedsADecoderAloneAndAPictureAllStages() throws InterruptedException {
        String model = "text-only";
        opened(Echo.Instance.decoder(model, new Echo.Decoder(4, Duration.ZERO)));
        Await.until(
                "the decoder's routes",
                SOON,
                () -> Await.routes(road, model) == TestBroker.config().routes());
        Answered answered = new Answered();
        requests.submit(Echo.ask(model, "no picture at all"), answered);
        assertThat(answered.text(SOON)).isEqualTo(Echo.answer("no picture at all", List.of()));

        VlmException error = catchThrowableOfType(
                VlmException.class, () -> requests.submit(Echo.ask(model, "what", "a picture"), new Answered()));
        assertThat(error.code()).isEqualTo(ErrorCode.STAGE_UNAVAILABLE);
        assertThat(error).hasMessageContaining("vision-encoder, projector").hasMessageNotContaining("decoder,");
    }
}
