package org.vlmserve.encoder;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.time.Instant;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.preprocess.PicturePreprocessor;
import org.vlmserve.families.preprocess.Tile;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.protocol.ImageJob;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.PlanJob;
import org.vlmserve.protocol.ProtocolLimits;
import org.vlmserve.protocol.StageTimes;
import org.vlmserve.protocol.TileJob;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.Tensor;

/** Turns picture files into features of one model. Thread-safe. E is the width of a feature. */
public final class VisionEncoderStage {

    /** The encoder graph's output. */
    private static final String FEATURES = "features";

    /** Side of the picture that warms the graph up, in pixels. */
    private static final int WARM_UP_SIDE = 56;

    private final ModelRef ref;
    private final FrameReader reader;
    private final PicturePreprocessor preprocessor;
    private final PixelBounds bounds;
    private final EncoderGraph graph;
    private final int contextLength;
    private final int width;
    private final int rowGroup;
    private final Timer decodeTime;
    private final Timer encodeTime;
    private final Counter patches;

    /** Runs the encoder graph. */
    @FunctionalInterface
    public interface EncoderGraph {

        /**
         * @param inputs as {@link PicturePreprocessor#encoderInputs} gives them
         * @param stillWanted asked while it runs; what it throws ends the run and is thrown
         * @return {@code features} [N, E]
         */
        Map<String, Tensor> run(Map<String, Tensor> inputs, Runnable stillWanted);
    }

    /**
     * @param reader decodes pictures and videos
     * @param bounds what a caller may ask for
     */
    public VisionEncoderStage(
            ModelRef ref,
            FrameReader reader,
            PicturePreprocessor preprocessor,
            PixelBounds bounds,
            EncoderGraph graph,
            BundleManifest manifest,
            MeterRegistry meters) {
        this.ref = ref;
        this.reader = reader;
        this.preprocessor = preprocessor;
        this.bounds = bounds;
        this.graph = graph;
        contextLength = manifest.decoder().contextLength();
        width = manifest.encoder().featureWidth();
        rowGroup = manifest.projector().rowGroup();
        String[] tags = {"model", ref.model(), "revision", ref.revision()};
        decodeTime = Timer.builder("vlm.encoder.picture.decode")
                .description("decoding and resizing a picture, and cutting it into tiles")
                .tags(tags)
                .publishPercentileHistogram()
                .register(meters);
        encodeTime = Timer.builder("vlm.encoder.encode")
                .description("one run of the vision encoder: a picture, or a tile of one")
                .tags(tags)
                .publishPercentileHistogram()
                .register(meters);
        patches = Counter.builder("vlm.encoder.patches")
                .description("patches that were encoded")
                .tags(tags)
                .register(meters);
    }

    public ModelRef model() {
        return ref;
    }

    /** One small picture through everything but the file's decoder. */
    public void warmUp() {
        PictureLayout layout = preprocessor.plan(PictureSource.still(WARM_UP_SIDE, WARM_UP_SIDE), PixelLimits.NONE);
        RgbPicture black = new RgbPicture(WARM_UP_SIDE, WARM_UP_SIDE, new byte[3 * WARM_UP_SIDE * WARM_UP_SIDE]);
        Tile tile = preprocessor.tiles(List.of(black), layout).getFirst();
        run(preprocessor.encoderInputs(tile, layout.grids().getFirst()), () -> {});
    }

    /**
     * The layout of a picture, without encoding it. Files are read in full: what can be planned can be read.
     *
     * @throws VlmException {@code PICTURE_UNREADABLE} and the like for the caller's mistakes
     */
    public PictureLayout plan(PlanJob job) {
        PictureSource source = switch (job.subject()) {
            case PictureSource given -> given;
            case PictureFiles content ->
                reader.read(content, preprocessor.frameSampler(), () -> checkDeadline(job))
                        .source(content.medium());
        };
        reader.check(source, preprocessor.frameSampler());
        return plan(source, job.limits());
    }

    private PictureLayout plan(PictureSource source, PixelLimits asked) {
        return preprocessor.plan(source, bounds.tighten(asked, preprocessor.bounds(source.medium())));
    }

    /** Before it is encoded for nothing: the decoder would refuse it. */
    private void requireContext(PictureLayout layout) {
        if (layout.tokens() >= contextLength) {
            throw new VlmException(
                    ErrorCode.PROMPT_TOO_LONG,
                    "the picture takes " + layout.tokens() + " tokens at " + layout.resizedWidth() + "×"
                            + layout.resizedHeight() + " pixels, and the model's context holds " + contextLength
                            + " together with text and answer; lower max_pixels, or send fewer frames");
        }
    }

    /** A plan cannot be cancelled, but a long video must not hold others up for longer than its caller waits. */
    private static void checkDeadline(PlanJob job) {
        if (Instant.now().isAfter(job.envelope().deadline())) {
            throw new VlmException(ErrorCode.DEADLINE_EXCEEDED, "the plan was not complete at its deadline");
        }
    }

    /**
     * Encodes a picture, or the first tile of one that has several if others take the rest.
     *
     * @param waited how long the job waited in a queue
     * @throws VlmException {@code PICTURE_UNREADABLE} and the like for the caller's mistakes
     */
    public void encode(ImageJob job, Duration waited, EncoderOutput output) {
        output.checkpoint();
        long begin = System.nanoTime();
        FrameReader.Footage footage = reader.read(job.content(), preprocessor.frameSampler(), output::checkpoint);
        PictureLayout layout = plan(footage.source(job.content().medium()), job.limits());
        requireContext(layout);
        output.layout(layout);
        List<Tile> tiles = preprocessor.tiles(footage.frames(), layout);
        Duration decoded = Duration.ofNanos(System.nanoTime() - begin);
        decodeTime.record(decoded);

        int[] firstRows = firstRows(layout);
        BitSet elsewhere = new BitSet();
        for (int i = 1; i < tiles.size(); i++) {
            elsewhere.set(i, output.putBack(layout, i, firstRows[i], rows(firstRows, i), tiles.get(i)));
        }
        StageTimes times = StageTimes.ZERO.withQueue(waited).withPictureDecode(decoded);
        for (int i = elsewhere.nextClearBit(0); i < tiles.size(); i = elsewhere.nextClearBit(i + 1)) {
            PictureLayout.Grid grid = layout.grids().get(i);
            encode(tiles.get(i), grid, firstRows[i], rows(firstRows, i), layout.featureRows(), times, output);
            times = StageTimes.ZERO;
        }
    }

    /** Encodes a tile that was put back, by this instance or another. */
    public void encode(TileJob job, Duration waited, EncoderOutput output) {
        encode(
                Tile.of(job.pixels()),
                job.grid(),
                job.firstRow(),
                job.rows(),
                job.totalRows(),
                StageTimes.ZERO.withQueue(waited),
                output);
    }

    /** Where each tile's rows begin, and the end of the last: tiles share the rows in proportion to their patches. */
    private int[] firstRows(PictureLayout layout) {
        List<PictureLayout.Grid> grids = layout.grids();
        long patches = grids.stream().mapToLong(PictureLayout.Grid::patches).sum();
        int[] rows = new int[grids.size() + 1];
        long before = 0;
        for (int i = 0; i < grids.size(); i++) {
            before += grids.get(i).patches();
            rows[i + 1] = (int) (layout.featureRows() * before / patches);
        }
        return rows;
    }

    private static int rows(int[] firstRows, int tile) {
        return firstRows[tile + 1] - firstRows[tile];
    }

    /** One run of the encoder, for so many {@code rows} of a picture's {@code totalRows}. */
    private void encode(
            Tile tile,
            PictureLayout.Grid grid,
            int firstRow,
            int rows,
            int totalRows,
            StageTimes before,
            EncoderOutput output) {
        output.checkpoint();
        long start = System.nanoTime();
        Map<String, Tensor> input = preprocessor.encoderInputs(tile, grid);
        long cut = System.nanoTime();
        Tensor features = run(input, output::checkpoint);
        Duration encoded = Duration.ofNanos(System.nanoTime() - cut);
        encodeTime.record(encoded);
        patches.increment(grid.patches());
        if (features.dim(0) != rows) {
            throw new VlmException(
                    ErrorCode.INTERNAL,
                    "the encoder of " + ref.model() + " gave " + features.dim(0) + " rows for " + grid
                            + ", the picture's layout says " + rows);
        }
        StageTimes times = before.plus(
                StageTimes.ZERO.withPictureDecode(Duration.ofNanos(cut - start)).withEncode(encoded));
        int groups = ProtocolLimits.MAX_SLICE_BYTES / (width * Float.BYTES * rowGroup);
        int most = Math.max(1, groups) * rowGroup;
        for (int from = 0; from < features.dim(0); from += most) {
            Tensor slice = features.rows(from, Math.min(from + most, features.dim(0)));
            output.features(firstRow + from, totalRows, slice, from == 0 ? times : StageTimes.ZERO);
        }
    }

    private Tensor run(Map<String, Tensor> input, Runnable stillWanted) {
        @Nullable Tensor features = graph.run(input, stillWanted).get(FEATURES);
        if (features == null
                || features.rank() != 2
                || features.dim(1) != width
                || features.dim(0) == 0
                || features.dim(0) % rowGroup != 0) {
            throw new VlmException(
                    ErrorCode.INTERNAL,
                    "the encoder of " + ref.model() + " gave " + features + "; expected whole groups of " + rowGroup
                            + " rows of " + width);
        }
        return features;
    }
}
