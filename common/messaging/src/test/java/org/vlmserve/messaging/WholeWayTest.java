package org.vlmserve.messaging;

import static org.assertj.core.api.Assertions.assertThat;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** One instance of each stage: what a healthy fleet does. */
class WholeWayTest {

    private static final Duration SOON = Duration.ofSeconds(20);
    private static final String MODEL = "whole-way";

    private static Echo.Instance encoder;
    private static Echo.Instance projector;
    private static Echo.Decoder decoding;
    private static Echo.Instance decoder;
    private static Road road;
    private static KafkaRequestRoad requests;

    @BeforeAll
    static void start() throws InterruptedException {
        encoder = Echo.Instance.encoder(MODEL, 2, Echo::encode);
        projector = Echo.Instance.projector(MODEL, 2, Echo::project);
        decoding = new Echo.Decoder(4, Duration.ZERO);
        decoder = Echo.Instance.decoder(MODEL, decoding);
        road = new Road(TestBroker.config(), "gateway-whole-way", new SimpleMeterRegistry());
        requests = road.requests();
        Await.serving(road, MODEL);
    }

    @AfterAll
    static void stop() {
        requests.close();
        road.close();
        encoder.close();
        projector.close();
        decoder.close();
    }

    @Test
    void answersAQuestionAboutAPicture() throws InterruptedException {
        Answered answered = new Answered();
        requests.submit(Echo.ask(MODEL, "what is this", "a picture"), answered);
        assertThat(answered.text(SOON)).isEqualTo(Echo.answer("what is this", List.of("a picture")));
    }
}
