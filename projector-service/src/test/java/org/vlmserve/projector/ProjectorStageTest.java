package org.vlmserve.projector;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.messaging.JobContext;
import org.vlmserve.protocol.EmbeddingSlice;
import org.vlmserve.protocol.Envelope;
import org.vlmserve.protocol.FeatureSlice;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.PictureKey;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.StageTimes;
import org.vlmserve.protocol.WireMessage;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;
import tools.jackson.databind.node.JsonNodeFactory;

class ProjectorStageTest {

    private static final ModelRef MODEL = new ModelRef("fake", "0123456789ab");
    private static final int GROUP = 2;
    private static final Envelope ENVELOPE =
            new Envelope("request", MODEL, "tenant", 3, Instant.EPOCH, Instant.EPOCH.plusSeconds(60), "");
    private static final PictureKey PICTURE =
            PictureKey.of("tenant", MODEL, PixelLimits.NONE, PictureFiles.still(new byte[1]));

    private static ProjectorStage stage() {
        return new ProjectorStage(MODEL, ProjectorStageTest::addUp, manifest(), new SimpleMeterRegistry());
    }

    private static BundleManifest manifest() {
        JsonNodeFactory json = JsonNodeFactory.instance;
        return new BundleManifest(
                BundleManifest.FORMAT,
                "fake",
                MODEL.revision(),
                "fp32",
                Instant.EPOCH,
                new BundleManifest.Encoder(3),
                new BundleManifest.Projector(GROUP),
                new BundleManifest.Decoder(1, 1, 1, 1, 8, 16, 100, 1, 16, DType.F32, 1),
                new BundleManifest.Generation(List.of(), false, null, null, null, null, null),
                json.objectNode(),
                json.objectNode(),
                BundleManifest.Checkpoint.UNREMARKABLE,
                null);
    }

    /** Each group's sum. */
    private static Map<String, Tensor> addUp(Map<String, Tensor> inputs) {
        Tensor features = Objects.requireNonNull(inputs.get("features"));
        float[] values = features.toFloats();
        float[] sums = new float[features.dim(0) / GROUP];
        for (int i = 0; i < values.length; i++) {
            sums[i / (3 * GROUP)] += values[i];
        }
        return Map.of("embeddings", Tensor.ofFloats(sums, sums.length, 1));
    }

    private static FeatureSlice slice(int firstRow, int totalRows, float[] values, int rows, int width) {
        StageTimes times = StageTimes.ZERO.withEncode(Duration.ofMillis(5)).withQueue(Duration.ofMillis(2));
        return new FeatureSlice(ENVELOPE, PICTURE, firstRow, totalRows, Tensor.ofFloats(values, rows, width), times);
    }

    @Test
    void rowsAndIndicesAreDividedByTheGroup() {
        EmbeddingSlice made = stage().project(
                        slice(6, 20, new float[] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 4, 3), Duration.ofMillis(3));
        assertThat(made.firstRow()).isEqualTo(3);
        assertThat(made.totalRows()).isEqualTo(10);
        assertThat(made.rows()).isEqualTo(Tensor.ofFloats(new float[] {21, 57}, 2, 1));
        assertThat(made.picture()).isEqualTo(PICTURE);
        assertThat(made.envelope()).isEqualTo(ENVELOPE);
    }

    @Test
    void timesAreAdded() {
        StageTimes times = stage().project(slice(0, 2, new float[6], 2, 3), Duration.ofMillis(3))
                .times();
        assertThat(times.queue()).isEqualTo(Duration.ofMillis(5));
        assertThat(times.encode()).isEqualTo(Duration.ofMillis(5));
        assertThat(times.project()).isPositive();
    }

    @Test
    void slicesOfAnotherShapeAreADefect() {
        for (FeatureSlice wrong : List.of(
                slice(0, 4, new float[8], 2, 4),
                slice(0, 4, new float[9], 3, 3),
                slice(1, 4, new float[6], 2, 3),
                slice(0, 5, new float[6], 2, 3),
                slice(0, 4, new float[0], 0, 3))) {
            assertThatThrownBy(() -> stage().project(wrong, Duration.ZERO))
                    .isInstanceOfSatisfying(
                            VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.INTERNAL))
                    .hasMessageContaining("groups of 2 rows of 3");
        }
    }

    @Test
    void aGraphOfAnotherModelIsADefect() {
        ProjectorStage stage = new ProjectorStage(
                MODEL,
                inputs -> Map.of("embeddings", Tensor.ofFloats(new float[4], 1, 4)),
                manifest(),
                new SimpleMeterRegistry());
        assertThatThrownBy(stage::warmUp).isInstanceOf(VlmException.class).hasMessageContaining("F32[1, 4]");
    }

    @Test
    void theHandlerPublishesWhatTheStageMakes() {
        List<WireMessage> published = new ArrayList<>();
        FeatureSlice slice = slice(0, 2, new float[] {1, 1, 1, 1, 1, 1}, 2, 3);
        new FeatureSliceHandler(stage()).handle(slice, new JobContext() {
            @Override
            public Duration waited() {
                return Duration.ZERO;
            }

            @Override
            public void checkpoint() {}

            @Override
            public void publish(WireMessage output) {
                published.add(output);
            }

            @Override
            public Envelope envelope() {
                return ENVELOPE;
            }
        });
        assertThat(published)
                .singleElement()
                .isInstanceOfSatisfying(
                        EmbeddingSlice.class,
                        made -> assertThat(made.rows()).isEqualTo(Tensor.ofFloats(new float[] {6}, 1, 1)));
    }
}
