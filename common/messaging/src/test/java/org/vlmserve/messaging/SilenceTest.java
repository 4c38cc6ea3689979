package org.vlmserve.messaging;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** Stages that vanish without a word: whoever waits for them is told which one within six seconds. */
class SilenceTest {

    private static final Duration SIX_SECONDS = Duration.ofSeconds(6);

    private final List<AutoCloseable> open = new ArrayList<>();
    private final CountDownLatch release = new CountDownLatch(1);
    private Road road;
    private KafkaRequestRoad requests;

    @BeforeEach
    void start() {
        road = new Road(TestBroker.config(), "gateway-" + System.nanoTime(), new SimpleMeterRegistry());
        requests = road.requests();
    }

    @AfterEach
    void stop() throws Exception {
        release.countDown();
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

    private void tellsThatItIsGone(String model, Echo.Instance silent, String stage, Answered answered)
            throws InterruptedException {
        long start = System.nanoTime();
        silent.fallSilent();
        AnswerEvent.Failed failed = answered.failure(Duration.ofSeconds(10));
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(SIX_SECONDS);
        assertThat(failed.code()).isEqualTo(ErrorCode.STAGE_UNAVAILABLE);
        assertThat(failed.message()).contains(stage);
        VlmException refused = catchThrowableOfType(
                VlmException.class, () -> requests.submit(Echo.ask(model, "what", "another picture"), event -> {}));
        assertThat(refused.code()).isEqualTo(ErrorCode.STAGE_UNAVAILABLE);
        assertThat(refused).hasMessageContaining(stage);
    }

    @Test
    void aSilentEncoderIsNamed() throws InterruptedException {
        String model = "silent-encoder";
        Echo.Instance encoder = opened(Echo.Instance.encoder(model, 1, (job, context) -> release.await()));
        opened(Echo.Instance.projector(model, 1, Echo::project));
        opened(Echo.Instance.decoder(model, new Echo.Decoder(4, Duration.ZERO)));
        Await.serving(road, model);
        Answered answered = new Answered();
        requests.submit(Echo.ask(model, "what", "a picture"), answered);
        tellsThatItIsGone(model, encoder, "vision-encoder", answered);
    }

    @Test
    void aSilentProjectorIsNamed() throws InterruptedException {
        String model = "silent-projector";
        opened(Echo.Instance.encoder(model, 1, Echo::encode));
        Echo.Instance projector = opened(Echo.Instance.projector(model, 1, (slice, context) -> release.await()));
        opened(Echo.Instance.decoder(model, new Echo.Decoder(4, Duration.ZERO)));
        Await.serving(road, model);
        Answered answered = new Answered();
        requests.submit(Echo.ask(model, "what", "a picture"), answered);
        tellsThatItIsGone(model, projector, "projector", answered);
    }

    @Test
    void aSilentDecoderIsNamed() throws InterruptedException {
        String model = "silent-decoder";
        opened(Echo.Instance.encoder(model, 1, Echo::encode));
        opened(Echo.Instance.projector(model, 1, Echo::project));
        Echo.Instance decoder = opened(Echo.Instance.decoder(model, new Echo.Decoder(0, Duration.ZERO)));
        Await.serving(road, model);
        Answered answered = new Answered();
        requests.submit(Echo.ask(model, "what"), answered);
        tellsThatItIsGone(model, decoder, "decoder", answered);
    }
}
