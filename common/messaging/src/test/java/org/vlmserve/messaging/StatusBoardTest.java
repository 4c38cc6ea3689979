package org.vlmserve.messaging;

import static org.assertj.core.api.Assertions.assertThat;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vlmserve.protocol.InstanceStatus;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.Stage;

/** Who is alive, told by a few instances that report without working. */
class StatusBoardTest {

    private static final Duration SOON = Duration.ofSeconds(60);

    private final List<AutoCloseable> open = new ArrayList<>();
    private Road watching;

    @BeforeEach
    void watch() {
        new TopicAdmin(TestBroker.config()).prepare(List.of());
        watching = new Road(TestBroker.config(), "watching-" + System.nanoTime(), new SimpleMeterRegistry());
    }

    @AfterEach
    void stop() throws Exception {
        for (AutoCloseable part : open.reversed()) {
            part.close();
        }
        watching.close();
    }

    private StatusReporter report(Stage stage, ModelRef model, Instant importedAt) {
        Road road = new Road(
                TestBroker.config(), model + "-" + stage.wireName() + System.nanoTime(), new SimpleMeterRegistry());
        open.add(road);
        StatusReporter reporter = road.report(() -> new InstanceStatus(
                road.instance(),
                stage,
                true,
                Instant.EPOCH,
                List.of(new InstanceStatus.ServedModel(model, List.of(0), 1, 2, 3, 4, importedAt))));
        open.add(reporter);
        return reporter;
    }

    private ModelRef serving(String model) {
        return watching.status().serving(model).orElse(new ModelRef("none", "000000000000"));
    }

    @Test
    void newWorkGoesToTheNewestRevisionWhoseStagesAreAllReady() throws InterruptedException {
        ModelRef old = new ModelRef("two-revisions", "ffffffffffff");
        ModelRef recent = new ModelRef("two-revisions", "000000000001");
        for (Stage stage : Stage.values()) {
            report(stage, old, Instant.EPOCH);
        }
        Await.until(
                "the old revision serves", SOON, () -> serving("two-revisions").equals(old));
        report(Stage.VISION_ENCODER, recent, Instant.EPOCH.plusSeconds(60));
        report(Stage.PROJECTOR, recent, Instant.EPOCH.plusSeconds(60));
        Await.until(
                "the new revision's first stages are seen",
                SOON,
                () -> watching.status().live().stream()
                                .flatMap(status -> status.models().stream())
                                .filter(served -> served.model().equals(recent))
                                .count()
                        == 2);
        assertThat(serving("two-revisions")).isEqualTo(old);
        StatusReporter last = report(Stage.DECODER, recent, Instant.EPOCH.plusSeconds(60));
        Await.until(
                "the new revision serves", SOON, () -> serving("two-revisions").equals(recent));
        last.drain();
        Await.until(
                "the old one serves again", SOON, () -> serving("two-revisions").equals(old));
        assertThat(watching.status().models()).contains("two-revisions");
    }

    @Test
    void anInstanceThatSignsOffIsGoneAtOnceAndASilentOneSoon() throws InterruptedException {
        ModelRef model = Echo.model("comings-and-goings");
        StatusReporter polite = report(Stage.DECODER, model, Instant.EPOCH);
        StatusReporter silent = report(Stage.PROJECTOR, model, Instant.EPOCH);
        Await.until("both are seen", SOON, () -> count(model) == 2);
        polite.close();
        Await.until("one has signed off", Duration.ofSeconds(2), () -> count(model) == 1);
        silent.stopReporting();
        long start = System.nanoTime();
        Await.until("the other counts as gone", SOON, () -> count(model) == 0);
        assertThat(Duration.ofNanos(System.nanoTime() - start))
                .isBetween(
                        TestBroker.config().silence().minusSeconds(1),
                        TestBroker.config().silence().plusSeconds(1));
    }

    @Test
    void aNewBoardKnowsWhoIsThereWithoutWaitingForThem() throws InterruptedException {
        ModelRef model = Echo.model("warm");
        StatusReporter silent = report(Stage.DECODER, model, Instant.EPOCH);
        Await.until("it is seen", SOON, () -> count(model) == 1);
        silent.stopReporting();
        try (Road late = new Road(TestBroker.config(), "late", new SimpleMeterRegistry())) {
            Await.until(
                    "it is seen by a board that came later",
                    Duration.ofSeconds(4),
                    () -> late.status().live().stream()
                            .anyMatch(
                                    status -> status.models().getFirst().model().equals(model)));
        }
    }

    private long count(ModelRef model) {
        return watching.status().live().stream()
                .filter(status -> status.models().stream()
                        .anyMatch(served -> served.model().equals(model)))
                .count();
    }
}
