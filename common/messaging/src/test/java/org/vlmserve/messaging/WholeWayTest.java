package org.vlmserve.messaging;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.DeadLetter;
import org.vlmserve.protocol.ProtocolLimits;
import org.vlmserve.protocol.WireCodec;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** One instance of each stage: what a healthy fleet does, and what it says to a bad request. */
@Execution(ExecutionMode.SAME_THREAD)
class WholeWayTest {

    private static final Duration SOON = Duration.ofSeconds(90);
    private static final String MODEL = "whole-way";

    private static final AtomicInteger encoded = new AtomicInteger();
    private static Echo.Instance encoder;
    private static Echo.Instance projector;
    private static Echo.Decoder decoding;
    private static Echo.Instance decoder;
    private static Road road;
    private static KafkaRequestRoad requests;

    @BeforeAll
    static void start() throws InterruptedException {
        encoder = Echo.Instance.encoder(MODEL, 2, (job, context) -> {
            encoded.incrementAndGet();
            Echo.encode(job, context);
        });
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

    private static String ask(String question, String... pictures) throws InterruptedException {
        Answered answered = new Answered();
        requests.submit(Echo.ask(MODEL, question, pictures), answered);
        return answered.text(SOON);
    }

    @Test
    void answersAQuestionAboutAPicture() throws InterruptedException {
        assertThat(ask("what is this", "a picture")).isEqualTo(Echo.answer("what is this", List.of("a picture")));
        assertThat(decoding.lastTimes.encode()).isPositive();
    }

    @Test
    void answersAQuestionWithoutAPicture() throws InterruptedException {
        assertThat(ask("who are you")).isEqualTo("who are you ");
    }

    @Test
    void keepsTheOrderOfSeveralPictures() throws InterruptedException {
        assertThat(ask("compare", "first picture", "second", "first picture"))
                .isEqualTo(Echo.answer("compare", List.of("first picture", "second", "first picture")));
    }

    @Test
    void joinsSlicesThatComeShuffledAndTwice() throws InterruptedException {
        String picture = "~ this one is sent in a random order, every slice twice";
        assertThat(ask("read", picture)).isEqualTo(Echo.answer("read", List.of(picture)));
    }

    @Test
    void sendsAPictureOnceForAllQuestionsAboutIt() throws InterruptedException {
        ask("first question", "a document with many pages");
        int before = encoded.get();
        assertThat(ask("second question", "a document with many pages"))
                .isEqualTo(Echo.answer("second question", List.of("a document with many pages")));
        assertThat(encoded).hasValue(before);
    }

    @Test
    void tenantsWithTheSamePictureShareNothing() throws InterruptedException {
        int before = encoded.get();
        for (String tenant : List.of("acme", "other")) {
            Answered answered = new Answered();
            requests.submit(Echo.ask(MODEL, tenant, SOON, "mine", "the same scan"), answered);
            assertThat(answered.text(SOON)).isEqualTo(Echo.answer("mine", List.of("the same scan")));
        }
        assertThat(encoded).hasValue(before + 2);
    }

    @Test
    void carriesTheLargestPicture() throws InterruptedException {
        String largest = "x".repeat(ProtocolLimits.MAX_PICTURE_BYTES);
        assertThat(ask("how large", largest)).isEqualTo(Echo.answer("how large", List.of(largest)));
    }

    @Test
    void refusesALargerPictureBeforeItIsSent() {
        VlmException error = catchThrowableOfType(
                VlmException.class, () -> ask("how large", "x".repeat(ProtocolLimits.MAX_PICTURE_BYTES + 1)));
        assertThat(error.code()).isEqualTo(ErrorCode.PICTURE_TOO_LARGE);
        assertThat(error).hasMessageContaining(String.valueOf(ProtocolLimits.MAX_PICTURE_BYTES + 1));
    }

    @Test
    void aStagesOwnErrorReachesTheCaller() throws InterruptedException {
        Answered answered = new Answered();
        requests.submit(Echo.ask(MODEL, "what is this", ""), answered);
        AnswerEvent.Failed failed = answered.failure(SOON);
        assertThat(failed.code()).isEqualTo(ErrorCode.PICTURE_UNREADABLE);
        assertThat(failed.message()).contains("0 bytes");
    }

    @Test
    void anUnknownModelIsNotFound() {
        VlmException error = catchThrowableOfType(
                VlmException.class, () -> requests.submit(Echo.ask("nobody", "hello"), event -> {}));
        assertThat(error.code()).isEqualTo(ErrorCode.MODEL_NOT_FOUND);
        assertThat(error).hasMessageContaining("'nobody'").hasMessageContaining(MODEL);
    }

    @Test
    void aPassedDeadlineIsRefused() {
        VlmException error = catchThrowableOfType(
                VlmException.class,
                () -> requests.submit(Echo.ask(MODEL, "tenant", Duration.ofSeconds(-1), "hello"), event -> {}));
        assertThat(error.code()).isEqualTo(ErrorCode.DEADLINE_EXCEEDED);
    }

    @Test
    void unreadableRecordsBecomeDeadLettersAndTheServicesGoOn() throws InterruptedException {
        byte[] nonsense = "not a record".getBytes(StandardCharsets.UTF_8);
        List<String> topics = List.of(
                Topics.images(Echo.model(MODEL)),
                Topics.features(Echo.model(MODEL)),
                Topics.embeddings(Echo.model(MODEL)),
                Topics.prompts(Echo.model(MODEL)));
        try (KafkaProducer<String, byte[]> producer = KafkaClients.producer(TestBroker.config(), "vandal")) {
            for (String topic : topics) {
                producer.send(new ProducerRecord<>(topic, 0, "somebody", nonsense));
            }
        }
        for (String topic : topics) {
            Await.until(
                    "a dead letter of " + topic,
                    SOON,
                    () -> TestBroker.values(Topics.dead(topic)).stream()
                            .map(WireCodec::decode)
                            .anyMatch(letter -> letter instanceof DeadLetter dead
                                    && dead.code() == ErrorCode.RECORD_UNREADABLE
                                    && java.util.Arrays.equals(dead.record(), nonsense)));
        }
        assertThat(ask("still there", "after the nonsense"))
                .isEqualTo(Echo.answer("still there", List.of("after the nonsense")));
    }

    @Test
    void countsWhatItDoes() throws InterruptedException {
        ask("count", "this picture");
        assertThat(encoder.metrics.get("vlm.jobs.handled").counter().count()).isPositive();
        assertThat(encoder.metrics.get("vlm.queue.wait").timer().count()).isPositive();
        assertThat(projector
                        .metrics
                        .get("vlm.produce.latency")
                        .tag("topic", "embeddings")
                        .timer()
                        .count())
                .isPositive();
        assertThat(decoder.metrics.get("vlm.pictures.bytes").gauge().value()).isPositive();
        assertThat(decoder.metrics.get("vlm.prompts.finished").counter().count())
                .isPositive();
    }
}
