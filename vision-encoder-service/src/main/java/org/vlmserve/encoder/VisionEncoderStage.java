package org.vlmserve.encoder;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.preprocess.PicturePreprocessor;
import org.vlmserve.families.preprocess.RgbPicture;
import org.vlmserve.families.preprocess.Tile;
import org.vlmserve.protocol.ImageJob;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.ProtocolLimits;
import org.vlmserve.protocol.StageTimes;
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
    private final Function<byte[], RgbPicture> reader;
    private final PicturePreprocessor preprocessor;
    private final UnaryOperator<Map<String, Tensor>> graph;
    private final int width;
    private final int rowGroup;
    private final Timer decodeTime;
    private final Timer encodeTime;
    private final Counter patches;

    /**
     * @param reader decodes a picture file, refusing those that are no pictures or have too many pixels
     * @param graph runs the encoder graph once: inputs as {@link PicturePreprocessor#encoderInputs} gives them, output
     *     {@code features} [N, E]
     */
    public VisionEncoderStage(
            ModelRef ref,
            Function<byte[], RgbPicture> reader,
            PicturePreprocessor preprocessor,
            UnaryOperator<Map<String, Tensor>> graph,
            BundleManifest manifest,
            MeterRegistry meters) {
        this.ref = ref;
        this.reader = reader;
        this.preprocessor = preprocessor;
        this.graph = graph;
        width = manifest.encoder().featureWidth();
        rowGroup = manifest.projector().rowGroup();
        String[] tags = {"model", ref.model(), "revision", ref.revision()};
        decodeTime = Timer.builder("vlm.encoder.picture.decode")
                .description("decoding, resizing and cutting a picture into patches")
                .tags(tags)
                .publishPercentileHistogram()
                .register(meters);
        encodeTime = Timer.builder("vlm.encoder.encode")
                .description("the vision encoder on one picture")
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
        run(preprocessor.encoderInputs(tile, layout.grids().getFirst()));
    }

    /**
     * @param waited how long the job waited in a queue
     * @throws VlmException {@code PICTURE_UNREADABLE} and the like for the caller's mistakes
     */
    public void encode(ImageJob job, Duration waited, EncoderOutput output) {
        output.checkpoint();
        long begin = System.nanoTime();
        RgbPicture picture = reader.apply(job.content());
        PictureLayout layout = preprocessor.plan(PictureSource.still(picture.width(), picture.height()), job.limits());
        output.layout(layout);
        List<Tile> tiles = preprocessor.tiles(List.of(picture), layout);
        Duration decoded = Duration.ofNanos(System.nanoTime() - begin);

        Duration encoded = Duration.ZERO;
        int firstRow = 0;
        Tensor first = null;
        for (int i = 0; i < tiles.size(); i++) {
            output.checkpoint();
            long start = System.nanoTime();
            Map<String, Tensor> input =
                    preprocessor.encoderInputs(tiles.get(i), layout.grids().get(i));
            long cut = System.nanoTime();
            Tensor features = run(input);
            decoded = decoded.plusNanos(cut - start);
            encoded = encoded.plusNanos(System.nanoTime() - cut);
            Tensor head = slice(features, firstRow, layout.featureRows(), output);
            first = first == null ? head : first;
            firstRow += features.dim(0);
        }
        decodeTime.record(decoded);
        encodeTime.record(encoded);
        patches.increment(firstRow);
        if (first == null || firstRow != layout.featureRows()) {
            throw new VlmException(
                    ErrorCode.INTERNAL,
                    "the encoder of " + ref.model() + " gave " + firstRow + " rows, its layout says "
                            + layout.featureRows());
        }
        // the first slice comes last: it carries the times of all
        StageTimes times =
                StageTimes.ZERO.withQueue(waited).withPictureDecode(decoded).withEncode(encoded);
        output.features(0, layout.featureRows(), first, times);
    }

    private Tensor run(Map<String, Tensor> input) {
        @Nullable Tensor features = graph.apply(input).get(FEATURES);
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

    /** Sends all slices of one grid's features but the picture's first, and returns the grid's first. */
    private Tensor slice(Tensor features, int firstRow, int totalRows, EncoderOutput output) {
        int groups = ProtocolLimits.MAX_SLICE_BYTES / (width * Float.BYTES * rowGroup);
        int most = Math.max(1, groups) * rowGroup;
        int rows = features.dim(0);
        Tensor head = features.rows(0, Math.min(most, rows));
        for (int from = firstRow == 0 ? most : 0; from < rows; from += most) {
            Tensor slice = features.rows(from, Math.min(from + most, rows));
            output.features(firstRow + from, totalRows, slice, StageTimes.ZERO);
        }
        return head;
    }
}
