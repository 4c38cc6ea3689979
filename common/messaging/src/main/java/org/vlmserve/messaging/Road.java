package org.vlmserve.messaging;

import io.micrometer.core.instrument.MeterRegistry;
import java.util.Collection;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;
import java.util.function.Supplier;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.EncoderJob;
import org.vlmserve.protocol.FeatureSlice;
import org.vlmserve.protocol.InstanceStatus;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PlanJob;

/**
 * One process's access to the road: its name, its producer, who is alive and what was cancelled. Everything else on the
 * road is opened from here. Whoever opens something closes it before the road: first what takes work, then the status
 * reporter.
 */
public final class Road implements AutoCloseable {

    private final RoadConfig config;
    private final String instance;
    private final MeterRegistry metrics;
    private final RoadProducer producer;
    private final ControlListener control;
    private final KafkaStatusBoard board;
    private final Collection<Supplier<Optional<Throwable>>> failures = new CopyOnWriteArrayList<>();

    /** @param instance unique among all that ever ran, such as a host's name and a random number */
    public Road(RoadConfig config, String instance, MeterRegistry metrics) {
        this.config = config;
        this.instance = instance;
        this.metrics = metrics;
        this.producer = new RoadProducer(config, instance, metrics);
        this.control = new ControlListener(config, instance);
        this.board = new KafkaStatusBoard(config, instance);
        failures.add(control::failure);
        failures.add(board::failure);
    }

    public String instance() {
        return instance;
    }

    /** Creates topics and checks the broker; see {@link TopicAdmin#prepare}. */
    public Optional<String> prepare(Collection<ModelRef> models) {
        return new TopicAdmin(config).prepare(models);
    }

    public StatusBoard status() {
        return board;
    }

    /** Works pictures and tiles of one model off: the vision encoder's end. */
    public JobQueue<EncoderJob> encodeImages(ModelRef model, int workers, JobHandler<EncoderJob> handler) {
        return queue(
                Topics.images(model),
                model,
                JobQueue.Kind.ofPictures(EncoderJob.class, EncoderJob::envelope, EncoderJob::picture),
                workers,
                handler);
    }

    /** Lays pictures of one model out for those who ask what they would cost, one at a time: the vision encoder's end, too. */
    public JobQueue<PlanJob> planPictures(ModelRef model, Function<PlanJob, PictureLayout> planner) {
        return queue(
                Topics.plans(model),
                model,
                new JobQueue.Kind<>(
                        PlanJob.class,
                        PlanJob::envelope,
                        (job, error) -> new AnswerEvent.Failed(
                                job.envelope().requestId(),
                                1,
                                instance,
                                error.code(),
                                String.valueOf(error.getMessage()))),
                1,
                (job, context) -> {
                    context.checkpoint();
                    context.publish(new AnswerEvent.Planned(
                            job.envelope().requestId(), 0, instance, job.index(), planner.apply(job)));
                });
    }

    /** Works slices of one model off: the projector's end. */
    public JobQueue<FeatureSlice> projectFeatures(ModelRef model, int workers, JobHandler<FeatureSlice> handler) {
        return queue(
                Topics.features(model),
                model,
                JobQueue.Kind.ofPictures(FeatureSlice.class, FeatureSlice::envelope, FeatureSlice::picture),
                workers,
                handler);
    }

    private <J extends org.vlmserve.protocol.WireMessage> JobQueue<J> queue(
            String topic, ModelRef model, JobQueue.Kind<J> kind, int workers, JobHandler<J> handler) {
        JobQueue<J> queue = new JobQueue<>(
                config, instance, producer, control, metrics, topic, model.model(), kind, workers, handler);
        failures.add(queue::failure);
        return queue;
    }

    /**
     * Answers prompts of one model: the decoder's end.
     *
     * @param pictureBytes how many bytes of embeddings to hold for waiting prompts and follow-up questions
     */
    public PromptRoad answerPrompts(ModelRef model, long pictureBytes, PromptHandler handler) {
        PromptRoad prompts =
                new PromptRoad(config, instance, producer, control, board, metrics, model, pictureBytes, handler);
        failures.add(prompts::failure);
        return prompts;
    }

    /** Asks: the gateway's end. */
    public KafkaRequestRoad requests() {
        KafkaRequestRoad requests = new KafkaRequestRoad(config, instance, producer, board, metrics);
        failures.add(requests::failure);
        return requests;
    }

    /** Reports this instance each second, from {@code source}. */
    public StatusReporter report(Supplier<InstanceStatus> source) {
        return new StatusReporter(producer, config, instance, source);
    }

    /** The first failure that a part of this road cannot recover from; the process should be replaced. */
    public Optional<Throwable> failure() {
        return failures.stream().flatMap(part -> part.get().stream()).findFirst();
    }

    @Override
    public void close() {
        control.close();
        board.close();
        producer.close();
    }
}
