package org.vlmserve.encoder;

import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.List;
import org.vlmserve.families.FamilyRegistry;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.messaging.JobQueue;
import org.vlmserve.messaging.Road;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.onnx.OnnxModel;
import org.vlmserve.protocol.EncoderJob;
import org.vlmserve.protocol.InstanceStatus;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.PlanJob;
import org.vlmserve.protocol.Stage;
import org.vlmserve.stage.ServedStage;

/** A bundle's vision encoder on the road. */
final class ServedEncoder implements ServedStage {

    /** A run that was told to stop ends within an operator; one that is still there after this long never will. */
    private static final Duration STUCK = Duration.ofMinutes(1);

    private final Bundle bundle;
    private final OnnxModel graph;
    private final VisionEncoderStage stage;
    private final Decoders decoders;
    private final int workers;

    private ServedEncoder(Bundle bundle, OnnxModel graph, VisionEncoderStage stage, Decoders decoders, int workers) {
        this.bundle = bundle;
        this.graph = graph;
        this.stage = stage;
        this.decoders = decoders;
        this.workers = workers;
    }

    static ServedEncoder load(
            ModelRef ref,
            Bundle bundle,
            FamilyRegistry families,
            EncoderSettings settings,
            Decoders decoders,
            EngineOptions engine,
            MeterRegistry meters) {
        OnnxModel graph = OnnxModel.load(bundle.encoderGraph(), engine);
        VisionEncoderStage stage = new VisionEncoderStage(
                ref,
                FrameReader.of(settings, decoders),
                families.familyOf(bundle).preprocessor(bundle),
                settings.resizing().bounds(),
                graph::run,
                bundle.manifest(),
                meters);
        return new ServedEncoder(bundle, graph, stage, decoders, settings.workers());
    }

    @Override
    public ModelRef model() {
        return stage.model();
    }

    @Override
    public void warmUp() {
        decoders.warmUp();
        stage.warmUp();
    }

    @Override
    public Work open(Road road) {
        EncoderJobHandler handler =
                new EncoderJobHandler(stage, () -> road.status().capacity(Stage.VISION_ENCODER, stage.model()) > 1);
        JobQueue<EncoderJob> queue = road.encodeImages(stage.model(), workers, handler);
        JobQueue<PlanJob> plans = road.planPictures(stage.model(), stage::plan);
        return new Work() {
            @Override
            public InstanceStatus.ServedModel status() {
                return new InstanceStatus.ServedModel(
                        stage.model(),
                        List.of(),
                        0,
                        queue.running(),
                        queue.workers(),
                        0,
                        bundle.manifest().importedAt());
            }

            @Override
            public void close(Duration grace) {
                plans.close(Duration.ZERO);
                queue.close(grace);
            }
        };
    }

    @Override
    public boolean healthy() {
        return decoders.healthy() && graph.overdue().compareTo(STUCK) < 0;
    }

    @Override
    public void close() {
        graph.close();
    }
}
