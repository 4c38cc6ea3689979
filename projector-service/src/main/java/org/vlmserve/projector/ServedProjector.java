package org.vlmserve.projector;

import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.List;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.messaging.JobQueue;
import org.vlmserve.messaging.Road;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.onnx.OnnxModel;
import org.vlmserve.protocol.FeatureSlice;
import org.vlmserve.protocol.InstanceStatus;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.stage.ServedStage;

/** A bundle's projector on the road. */
final class ServedProjector implements ServedStage {

    private final Bundle bundle;
    private final OnnxModel graph;
    private final ProjectorStage stage;
    private final int workers;

    private ServedProjector(Bundle bundle, OnnxModel graph, ProjectorStage stage, int workers) {
        this.bundle = bundle;
        this.graph = graph;
        this.stage = stage;
        this.workers = workers;
    }

    static ServedProjector load(
            ModelRef ref, Bundle bundle, ProjectorSettings settings, EngineOptions engine, MeterRegistry meters) {
        OnnxModel graph = OnnxModel.load(bundle.projectorGraph(), engine);
        ProjectorStage stage = new ProjectorStage(ref, graph::run, bundle.manifest(), meters);
        return new ServedProjector(bundle, graph, stage, settings.workers());
    }

    @Override
    public ModelRef model() {
        return stage.model();
    }

    @Override
    public void warmUp() {
        stage.warmUp();
    }

    @Override
    public Work open(Road road) {
        JobQueue<FeatureSlice> queue = road.projectFeatures(stage.model(), workers, new FeatureSliceHandler(stage));
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
                queue.close(grace);
            }
        };
    }

    @Override
    public boolean healthy() {
        return true;
    }

    @Override
    public void close() {
        graph.close();
    }
}
