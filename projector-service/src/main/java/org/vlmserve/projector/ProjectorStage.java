package org.vlmserve.projector;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.protocol.EmbeddingSlice;
import org.vlmserve.protocol.FeatureSlice;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.StageTimes;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;

/** Projects feature rows [M, E] of one model to embeddings [M / group, H], slice by slice. Thread-safe. */
public final class ProjectorStage {

    private static final String FEATURES = "features";
    private static final String EMBEDDINGS = "embeddings";

    private final ModelRef ref;
    private final UnaryOperator<Map<String, Tensor>> graph;
    private final int featureWidth;
    private final int hidden;
    private final int rowGroup;
    private final Timer time;
    private final Counter rows;

    /** @param graph runs the projector graph once: {@code features} [M, E] to {@code embeddings} [M / group, H] */
    public ProjectorStage(
            ModelRef ref, UnaryOperator<Map<String, Tensor>> graph, BundleManifest manifest, MeterRegistry meters) {
        this.ref = ref;
        this.graph = graph;
        featureWidth = manifest.encoder().featureWidth();
        hidden = manifest.decoder().hidden();
        rowGroup = manifest.projector().rowGroup();
        String[] tags = {"model", ref.model(), "revision", ref.revision()};
        time = Timer.builder("vlm.projector.project")
                .description("the projector on one slice")
                .tags(tags)
                .publishPercentileHistogram()
                .register(meters);
        rows = Counter.builder("vlm.projector.rows")
                .description("embedding rows that were made")
                .tags(tags)
                .register(meters);
    }

    public ModelRef model() {
        return ref;
    }

    /** One group of rows through the graph. */
    public void warmUp() {
        run(Tensor.ofFloats(new float[rowGroup * featureWidth], rowGroup, featureWidth));
    }

    /**
     * @param waited how long the slice waited in a queue
     * @throws VlmException {@code INTERNAL} for a slice of another model
     */
    public EmbeddingSlice project(FeatureSlice slice, Duration waited) {
        Tensor features = slice.rows();
        if (features.dtype() != DType.F32
                || features.rank() != 2
                || features.dim(1) != featureWidth
                || features.dim(0) == 0
                || features.dim(0) % rowGroup != 0
                || slice.firstRow() % rowGroup != 0
                || slice.totalRows() % rowGroup != 0) {
            throw new VlmException(
                    ErrorCode.INTERNAL,
                    "slice " + features + " at row " + slice.firstRow() + " of " + slice.totalRows()
                            + "; expected F32, whole groups of " + rowGroup + " rows of " + featureWidth
                            + ": do encoder and projector serve the same bundle?");
        }
        long begin = System.nanoTime();
        Tensor embeddings = run(features);
        Duration projected = Duration.ofNanos(System.nanoTime() - begin);
        time.record(projected);
        rows.increment(embeddings.dim(0));
        StageTimes own = StageTimes.ZERO.withQueue(waited).withProject(projected);
        return new EmbeddingSlice(
                slice.envelope(),
                slice.picture(),
                slice.firstRow() / rowGroup,
                slice.totalRows() / rowGroup,
                embeddings,
                slice.times().plus(own));
    }

    private Tensor run(Tensor features) {
        @Nullable Tensor embeddings = graph.apply(Map.of(FEATURES, features)).get(EMBEDDINGS);
        if (embeddings == null
                || embeddings.rank() != 2
                || embeddings.dim(0) != features.dim(0) / rowGroup
                || embeddings.dim(1) != hidden) {
            throw new VlmException(
                    ErrorCode.INTERNAL,
                    "the projector of " + ref.model() + " made " + embeddings + " of " + features + "; expected F32["
                            + features.dim(0) / rowGroup + ", " + hidden + "]");
        }
        return embeddings;
    }
}
