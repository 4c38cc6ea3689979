package org.vlmserve.messaging;

import static org.assertj.core.api.Assertions.assertThat;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.ImageJob;
import org.vlmserve.protocol.LayoutReady;
import org.vlmserve.protocol.error.ErrorCode;

/** Pictures that do not fit a context together end their prompt by their layouts, and what is left of them is given up. */
class ContextTest {

    private static final Duration SOON = Duration.ofSeconds(90);
    private static final String MODEL = "context";
    private static final int CONTEXT = 100;

    @Test
    void picturesThatDoNotFitTogetherAreNotEncoded() throws Exception {
        AtomicInteger givenUp = new AtomicInteger();
        Echo.Decoder decoding = new Echo.Decoder(2, Duration.ZERO) {
            @Override
            public int contextLength() {
                return CONTEXT;
            }
        };
        try (Road road = new Road(TestBroker.config(), "gateway-context", new SimpleMeterRegistry());
                KafkaRequestRoad requests = road.requests();
                Echo.Instance encoder = Echo.Instance.encoder(MODEL, 3, (job, context) -> {
                    ImageJob image = (ImageJob) job;
                    int rows = (int) image.content().size();
                    context.publish(new LayoutReady(image.envelope(), image.picture(), Echo.layout(rows)));
                    if (rows < 40) {
                        Echo.encode(job, context);
                        return;
                    }
                    // Busy until nobody wants it any more.
                    try {
                        while (true) {
                            context.checkpoint();
                            sleep();
                        }
                    } finally {
                        givenUp.incrementAndGet();
                    }
                });
                Echo.Instance projector = Echo.Instance.projector(MODEL, 1, Echo::project);
                Echo.Instance decoder = Echo.Instance.decoder(MODEL, decoding)) {
            Await.serving(road, MODEL);
            Answered answered = new Answered();
            requests.submit(Echo.ask(MODEL, "too many", "a".repeat(40), "b".repeat(41), "c".repeat(42)), answered);
            AnswerEvent.Failed failed = answered.failure(SOON);
            assertThat(failed.code()).isEqualTo(ErrorCode.PROMPT_TOO_LONG);
            assertThat(failed.message()).contains("context holds " + CONTEXT);
            Await.until("the encoder gives them up", SOON, () -> givenUp.get() == 3);
            assertThat(decoding.started).hasValue(0);

            Answered fits = new Answered();
            requests.submit(Echo.ask(MODEL, "few", "small", "smaller"), fits);
            assertThat(fits.text(SOON)).isEqualTo(Echo.answer("few", List.of("small", "smaller")));
        }
    }

    private static void sleep() {
        try {
            Thread.sleep(10);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
