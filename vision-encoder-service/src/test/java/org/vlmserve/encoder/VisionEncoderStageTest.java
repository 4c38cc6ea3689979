package org.vlmserve.encoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.vlmserve.encoder.video.VideoDecoder;
import org.vlmserve.encoder.video.VideoLimits;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.preprocess.PicturePreprocessor;
import org.vlmserve.families.preprocess.RgbPicture;
import org.vlmserve.families.preprocess.Tile;
import org.vlmserve.messaging.JobContext;
import org.vlmserve.protocol.EncoderJob;
import org.vlmserve.protocol.Envelope;
import org.vlmserve.protocol.FeatureSlice;
import org.vlmserve.protocol.ImageJob;
import org.vlmserve.protocol.LayoutReady;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.PictureKey;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.PlanJob;
import org.vlmserve.protocol.ProtocolLimits;
import org.vlmserve.protocol.StageTimes;
import org.vlmserve.protocol.TileJob;
import org.vlmserve.protocol.WireMessage;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;
import tools.jackson.databind.node.JsonNodeFactory;

/** A picture's width is its number of grids here, its height the rows of each grid. */
class VisionEncoderStageTest {

    private static final ModelRef MODEL = new ModelRef("fake", "0123456789ab");
    private static final int WIDTH = 1000;
    private static final int GROUP = 4;

    private static final long MAX_PIXELS = 1_000_000;

    private final List<String> order = new ArrayList<>();

    /** Grids as the comment above says; each is one tile whose pixel holds the index of its first row. */
    private final PicturePreprocessor preprocessor = new PicturePreprocessor() {
        @Override
        public PictureLayout plan(PictureSource source, PixelLimits limits) {
            List<PictureLayout.Grid> grids = new ArrayList<>();
            for (int i = 0; i < source.width(); i++) {
                grids.add(new PictureLayout.Grid(1, 1, source.height()));
            }
            int rows = source.width() * source.height();
            return new PictureLayout(source, source.width(), source.height(), grids, rows, rows / GROUP, rows / GROUP);
        }

        @Override
        public List<Tile> tiles(List<RgbPicture> frames, PictureLayout layout) {
            List<Tile> tiles = new ArrayList<>();
            int first = 0;
            for (PictureLayout.Grid grid : layout.grids()) {
                tiles.add(Tile.of(new RgbPicture(1, 1, new byte[] {(byte) first, (byte) (first >> 8), 0})));
                first += grid.patches();
            }
            return tiles;
        }

        @Override
        public Map<String, Tensor> encoderInputs(Tile tile, PictureLayout.Grid grid) {
            byte[] pixel = tile.picture().pixels();
            int first = (pixel[0] & 0xff) | (pixel[1] & 0xff) << 8;
            return Map.of("pixels", Tensor.ofFloats(new float[] {first, grid.patches()}, 2));
        }
    };

    private Map<String, Tensor> encode(Map<String, Tensor> input) {
        order.add("encode");
        float[] pixels = java.util.Objects.requireNonNull(input.get("pixels")).toFloats();
        int rows = (int) pixels[1];
        float[] values = new float[rows * WIDTH];
        for (int row = 0; row < rows; row++) {
            values[row * WIDTH] = pixels[0] + row;
        }
        return Map.of("features", Tensor.ofFloats(values, rows, WIDTH));
    }

    private static BundleManifest manifest() {
        JsonNodeFactory json = JsonNodeFactory.instance;
        return new BundleManifest(
                BundleManifest.FORMAT,
                "fake",
                MODEL.revision(),
                "fp32",
                Instant.EPOCH,
                new BundleManifest.Encoder(WIDTH),
                new BundleManifest.Projector(GROUP),
                new BundleManifest.Decoder(8, 1, 1, 1, 8, 16, 100, 1, 16, DType.F32, 1),
                new BundleManifest.Generation(List.of(), false, null, null, null, null, null),
                json.objectNode(),
                json.objectNode(),
                BundleManifest.Checkpoint.UNREMARKABLE,
                null);
    }

    private VisionEncoderStage stage(UnaryOperator<Map<String, Tensor>> graph) {
        return new VisionEncoderStage(
                MODEL,
                new FrameReader(
                        content ->
                                new RgbPicture(content[0], content[1] * 8, new byte[3 * content[0] * content[1] * 8]),
                        new VideoDecoder(new VideoLimits(100, MAX_PIXELS, MAX_PIXELS)),
                        MAX_PIXELS,
                        8,
                        2),
                preprocessor,
                graph,
                manifest(),
                new SimpleMeterRegistry());
    }

    private static ImageJob job(int grids, int rowsOfEight) {
        PictureFiles content = PictureFiles.still(new byte[] {(byte) grids, (byte) rowsOfEight});
        Envelope envelope =
                new Envelope("request", MODEL, "tenant", 0, Instant.EPOCH, Instant.EPOCH.plusSeconds(60), "");
        PictureKey key = PictureKey.of("tenant", MODEL, PixelLimits.NONE, content);
        return new ImageJob(envelope, key, PixelLimits.NONE, content);
    }

    private EncoderJobHandler handler(boolean others) {
        return new EncoderJobHandler(stage(this::encode), () -> others);
    }

    private final class Context implements JobContext {
        private final EncoderJob job;
        private final List<WireMessage> published = new ArrayList<>();
        private int checkpointsLeft = Integer.MAX_VALUE;

        Context(EncoderJob job) {
            this.job = job;
        }

        @Override
        public Duration waited() {
            return Duration.ofMillis(42);
        }

        @Override
        public void checkpoint() {
            order.add("checkpoint");
            if (checkpointsLeft-- == 0) {
                throw new VlmException(ErrorCode.CANCELLED, "nobody waits any more");
            }
        }

        @Override
        public void publish(WireMessage output) {
            order.add(
                    switch (output) {
                        case LayoutReady layout -> "layout";
                        case TileJob tile -> "tile";
                        default -> "slice";
                    });
            published.add(output);
        }

        @Override
        public Envelope envelope() {
            return job.envelope();
        }

        List<FeatureSlice> slices() {
            return published.stream()
                    .filter(FeatureSlice.class::isInstance)
                    .map(FeatureSlice.class::cast)
                    .toList();
        }
    }

    private Context run(int grids, int rowsOfEight) {
        Context context = new Context(job(grids, rowsOfEight));
        handler(false).handle(context.job, context);
        return context;
    }

    @Test
    void theLayoutGoesAheadOfTheEncoder() {
        Context context = run(2, 1);
        assertThat(order)
                .containsExactly(
                        "checkpoint", "layout", "checkpoint", "encode", "slice", "checkpoint", "encode", "slice");
        LayoutReady ready = (LayoutReady) context.published.getFirst();
        assertThat(ready.picture()).isEqualTo(context.job.picture());
        assertThat(ready.layout().featureRows()).isEqualTo(16);
    }

    @Test
    void slicesAreWholeGroupsWithinTheLimitAndCoverEveryRowOnce() {
        for (int[] size : new int[][] {{1, 1}, {1, 100}, {3, 40}, {5, 3}}) {
            Context context = run(size[0], size[1]);
            int total = size[0] * size[1] * 8;
            boolean[] seen = new boolean[total];
            for (FeatureSlice slice : context.slices()) {
                assertThat(slice.totalRows()).isEqualTo(total);
                assertThat(slice.rows().byteSize()).isLessThanOrEqualTo(ProtocolLimits.MAX_SLICE_BYTES);
                assertThat(slice.firstRow() % GROUP).isZero();
                assertThat(slice.rows().dim(0) % GROUP).isZero();
                float[] values = slice.rows().toFloats();
                for (int row = 0; row < slice.rows().dim(0); row++) {
                    int index = slice.firstRow() + row;
                    assertThat(values[row * WIDTH]).isEqualTo(index);
                    assertThat(seen[index]).isFalse();
                    seen[index] = true;
                }
            }
            assertThat(seen).doesNotContain(false);
        }
    }

    @Test
    void tilesAreForOthersIfThereAreAny() {
        Context context = new Context(job(3, 5));
        handler(true).handle(context.job, context);
        assertThat(order).containsExactly("checkpoint", "layout", "tile", "tile", "checkpoint", "encode", "slice");
        List<Context> tiles = context.published.stream()
                .filter(TileJob.class::isInstance)
                .map(tile -> new Context((TileJob) tile))
                .toList();
        List<FeatureSlice> slices = new ArrayList<>(context.slices());
        for (Context tile : tiles.reversed()) {
            assertThat(tile.job.picture()).isEqualTo(context.job.picture());
            handler(true).handle(tile.job, tile);
            slices.addAll(tile.slices());
            assertThat(tile.slices().getFirst().times().queue()).isEqualTo(Duration.ofMillis(42));
            assertThat(tile.slices().getFirst().times().encode()).isPositive();
        }
        assertThat(slices).extracting(FeatureSlice::firstRow).containsExactly(0, 80, 40);
        assertThat(slices).extracting(FeatureSlice::totalRows).containsOnly(120);
        List<FeatureSlice> alone = run(3, 5).slices();
        for (FeatureSlice slice : slices) {
            assertThat(alone).anySatisfy(same -> {
                assertThat(same.firstRow()).isEqualTo(slice.firstRow());
                assertThat(same.rows()).isEqualTo(slice.rows());
            });
        }
    }

    @Test
    void aPlanIsTheLayoutThatEncodingWouldHave() {
        VisionEncoderStage stage = stage(this::encode);
        ImageJob job = job(3, 2);
        LayoutReady ready = (LayoutReady) run(3, 2).published.getFirst();
        order.clear();
        assertThat(stage.plan(new PlanJob(job.envelope(), 0, PixelLimits.NONE, job.content())))
                .isEqualTo(ready.layout());
        assertThat(stage.plan(new PlanJob(job.envelope(), 0, PixelLimits.NONE, PictureSource.still(3, 16))))
                .isEqualTo(ready.layout());
        assertThat(order).isEmpty();
        assertThatThrownBy(() ->
                        stage.plan(new PlanJob(job.envelope(), 0, PixelLimits.NONE, PictureSource.still(1000, 1001))))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.PICTURE_TOO_MANY_PIXELS))
                .hasMessageContaining("1001000")
                .hasMessageContaining("" + MAX_PIXELS);
        assertThatThrownBy(
                        () -> stage.plan(new PlanJob(job.envelope(), 0, PixelLimits.NONE, PictureSource.still(0, 5))))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.INVALID_REQUEST));
    }

    @Test
    void onlyTheFirstSliceOfARunCarriesTimes() {
        Context context = run(2, 60);
        assertThat(context.slices()).hasSizeGreaterThan(2).allSatisfy(slice -> {
            if (slice.firstRow() == 0) {
                assertThat(slice.times().queue()).isEqualTo(Duration.ofMillis(42));
                assertThat(slice.times().pictureDecode()).isPositive();
                assertThat(slice.times().encode()).isPositive();
                assertThat(slice.times().project()).isZero();
            } else if (slice.firstRow() == 480) {
                assertThat(slice.times().queue()).isZero();
                assertThat(slice.times().encode()).isPositive();
            } else {
                assertThat(slice.times()).isEqualTo(StageTimes.ZERO);
            }
        });
    }

    @Test
    void aCancelledPictureIsNotEncodedFurther() {
        for (int allowed = 0; allowed < 3; allowed++) {
            order.clear();
            Context context = new Context(job(2, 1));
            context.checkpointsLeft = allowed;
            assertThatThrownBy(() -> handler(false).handle(context.job, context))
                    .isInstanceOf(VlmException.class);
            assertThat(order.stream().filter("encode"::equals)).hasSize(Math.max(0, allowed - 1));
            assertThat(context.slices()).hasSize(Math.max(0, allowed - 1));
        }
    }

    @Test
    void aGraphOfAnotherModelIsADefect() {
        VisionEncoderStage stage = stage(input -> Map.of("features", Tensor.ofFloats(new float[8 * 7], 8, 7)));
        Context context = new Context(job(1, 1));
        assertThatThrownBy(() -> new EncoderJobHandler(stage, () -> false).handle(context.job, context))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.INTERNAL))
                .hasMessageContaining("F32[8, 7]")
                .hasMessageContaining("rows of 1000");
        VisionEncoderStage short8 = stage(input -> Map.of("features", Tensor.ofFloats(new float[4 * WIDTH], 4, WIDTH)));
        assertThatThrownBy(() -> new EncoderJobHandler(short8, () -> false).handle(context.job, context))
                .hasMessageContaining("gave 4 rows")
                .hasMessageContaining("8");
    }

    @Test
    void warmingUpRunsTheGraph() {
        stage(this::encode).warmUp();
        assertThat(order).containsExactly("encode");
    }
}
