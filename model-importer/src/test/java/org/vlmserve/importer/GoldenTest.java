package org.vlmserve.importer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.vlmserve.families.FamilyRegistry;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.preprocess.PicturePreprocessor;
import org.vlmserve.families.preprocess.Tile;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.media.picture.PictureDecoder;
import org.vlmserve.media.picture.PictureLimits;
import org.vlmserve.onnx.CausalDecoder;
import org.vlmserve.onnx.DecoderShape;
import org.vlmserve.onnx.EmbeddingTable;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.onnx.GraphContract;
import org.vlmserve.onnx.OnnxModel;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.Rendering;
import org.vlmserve.protocol.tensor.Tensor;
import org.vlmserve.testing.GoldenCase;
import org.vlmserve.testing.GoldenCheckpoint;
import org.vlmserve.testing.Goldens;
import org.vlmserve.testing.TensorAssert;

/**
 * The imported graphs against transformers, stage by stage. Each stage gets the golden output of the one before, so that a
 * difference shows where it arises. Seen: encoder 8e-6, projector 1e-6, log-probabilities 2e-5.
 */
class GoldenTest {

    private static final EngineOptions OPTIONS = EngineOptions.ofThreads(1);
    private static final int CAPACITY = 640;

    @TempDir
    static Path directory;

    private static final Map<String, Bundle> BUNDLES = new ConcurrentHashMap<>();

    static List<GoldenCheckpoint> checkpoints() {
        return Goldens.find().checkpoints();
    }

    @ParameterizedTest
    @MethodSource("checkpoints")
    void theEncoderGivesTheReferencesFeatures(GoldenCheckpoint checkpoint) {
        int seen = 0;
        try (OnnxModel encoder =
                OnnxModel.load(bundle(checkpoint, Precision.FP32).encoderGraph(), OPTIONS)) {
            for (GoldenCase golden : checkpoint.cases()) {
                if (!golden.pictures().isEmpty()) {
                    Tensor features = features(bundle(checkpoint, Precision.FP32), encoder, golden);
                    TensorAssert.assertThat(features).isCloseTo(golden.encoderOutput(), 5e-5);
                    seen++;
                }
            }
        }
        assertThat(seen).isPositive();
    }

    @ParameterizedTest
    @MethodSource("checkpoints")
    void theProjectorGivesTheReferencesEmbeddings(GoldenCheckpoint checkpoint) {
        int seen = 0;
        try (OnnxModel projector =
                OnnxModel.load(bundle(checkpoint, Precision.FP32).projectorGraph(), OPTIONS)) {
            for (GoldenCase golden : checkpoint.cases()) {
                if (!golden.pictures().isEmpty()) {
                    Tensor embeddings = Objects.requireNonNull(projector
                            .run(Map.of(
                                    GraphContract.FEATURES,
                                    golden.encoderOutput().tensor()))
                            .get(GraphContract.EMBEDDINGS));
                    TensorAssert.assertThat(embeddings).isCloseTo(golden.projectorOutput(), 1e-5);
                    seen++;
                }
            }
        }
        assertThat(seen).isPositive();
    }

    /** Rows that a prompt names, of the projector's output and of the embedding table, are what the reference puts there. */
    @ParameterizedTest
    @MethodSource("checkpoints")
    void thePromptsRowsAreTheReferencesEmbeddings(GoldenCheckpoint checkpoint) {
        int seen = 0;
        try (Decoding decoding = new Decoding(bundle(checkpoint, Precision.FP32))) {
            int width = decoding.shape.hidden();
            for (GoldenCase golden : checkpoint.cases()) {
                float[] expected = golden.pictures().isEmpty()
                        ? new float[0]
                        : golden.pictureEmbeddings().floats();
                int at = 0;
                int firstRow = 0;
                for (GoldenCase.Picture picture : golden.pictures()) {
                    for (int row : picture.rows()) {
                        float[] actual = new float[width];
                        if (row < 0) {
                            decoding.table.row(decoding.shape.vocabulary(), actual, 0);
                        } else {
                            System.arraycopy(
                                    golden.projectorOutput().floats(), (firstRow + row) * width, actual, 0, width);
                        }
                        assertThat(actual)
                                .containsExactly(Arrays.copyOfRange(expected, at, at + width), Offset.offset(1e-5f));
                        at += width;
                        seen++;
                    }
                    firstRow += picture.projectorRows();
                }
                assertThat(at).isEqualTo(expected.length);
            }
        }
        assertThat(seen).isPositive();
    }

    @ParameterizedTest
    @MethodSource("checkpoints")
    void theDecoderGivesTheReferencesTokensInOnePrefillAndInChunks(GoldenCheckpoint checkpoint) {
        try (Decoding decoding = new Decoding(bundle(checkpoint, Precision.FP32))) {
            for (GoldenCase golden : checkpoint.cases()) {
                float[] logits = decoding.prefill(0, golden, Integer.MAX_VALUE);
                TensorAssert.assertThat(logits, logits.length).isCloseTo(golden.promptLogits(), 5e-4);
                // A prefix that sees all of itself comes in one piece, whatever is asked for.
                float[] chunked = decoding.prefill(1, golden, 37);
                TensorAssert.assertThat(chunked, chunked.length)
                        .isCloseTo(Tensor.ofFloats(logits, logits.length), 1e-4);
                int length = golden.promptTokens();
                for (GoldenCase.Step step : golden.steps()) {
                    double[] logprobs = logSoftmax(logits);
                    assertThat(best(logprobs)).as("%s at %d", golden, length).isEqualTo(step.id());
                    for (GoldenCase.Token token : step.top()) {
                        assertThat(logprobs[token.id()]).isCloseTo(token.logprob(), within(1e-3));
                    }
                    logits = decoding.step(1, length++, golden, step.id());
                }
            }
        }
    }

    /** A prompt decoded token by token, and as a row between others, against the same row alone. */
    @ParameterizedTest
    @MethodSource("checkpoints")
    void anInt8RowIsTheSameAloneAndInABatch(GoldenCheckpoint checkpoint) {
        try (Decoding decoding = new Decoding(bundle(checkpoint, Precision.INT8))) {
            List<GoldenCase> cases = checkpoint.cases();
            GoldenCase[] rows = {cases.get(0), cases.get(1), cases.get(2)};
            for (int slot = 0; slot < rows.length; slot++) {
                decoding.prefill(slot, rows[slot], 64);
                decoding.decoder.copySlot(slot, 3 + slot, rows[slot].promptTokens());
            }
            for (int n = 0; n < 4; n++) {
                float[][] together = new float[rows.length][decoding.shape.vocabulary()];
                int[] totals = new int[rows.length];
                long[][] positions = new long[decoding.shape.positionChannels()][rows.length];
                float[] embeds = new float[rows.length * decoding.shape.hidden()];
                for (int slot = 0; slot < rows.length; slot++) {
                    int length = rows[slot].promptTokens() + n;
                    totals[slot] = length + 1;
                    for (long[] channel : positions) {
                        channel[slot] = rows[slot].nextPosition() + n;
                    }
                    decoding.embed(rows[slot].generatedIds()[n], embeds, slot);
                }
                decoding.decoder.decode(0, rows.length, embeds, positions, totals, together);
                for (int slot = 0; slot < rows.length; slot++) {
                    float[] alone = decoding.step(
                            3 + slot,
                            rows[slot].promptTokens() + n,
                            rows[slot],
                            rows[slot].generatedIds()[n]);
                    assertThat(together[slot]).containsExactly(alone);
                }
            }
        }
    }

    /**
     * Linear layers are exact whatever they share a call with; attention sums its floats in an order that depends on the shape. Now and
     * then such a last digit puts an activation on the other side of a rounding border, and then more than a last digit moves.
     */
    @ParameterizedTest
    @MethodSource("checkpoints")
    void int8DecodingIsPrefilling(GoldenCheckpoint checkpoint) {
        List<GoldenCase> cases = checkpoint.cases();
        int equal = 0;
        try (Decoding decoding = new Decoding(bundle(checkpoint, Precision.INT8))) {
            for (GoldenCase golden : cases) {
                float[] whole = decoding.prefill(0, golden, Integer.MAX_VALUE);
                float[] decoded = decoding.prefill(1, golden, 1);
                double largest = 0;
                for (int i = 0; i < whole.length; i++) {
                    largest = Math.max(largest, Math.abs(whole[i] - decoded[i]));
                }
                if (largest < 1e-4) {
                    assertThat(best(logSoftmax(decoded))).isEqualTo(best(logSoftmax(whole)));
                    equal++;
                }
            }
        }
        assertThat(equal).as("of %d cases", cases.size()).isGreaterThan(cases.size() / 2);
    }

    /** Random weights have no structure that survives coarse rounding, so tokens may differ; most must not. */
    @ParameterizedTest
    @MethodSource("checkpoints")
    void quantisedBundlesStayNearTheReference(GoldenCheckpoint checkpoint) {
        assertThat(agreement(checkpoint, Precision.INT8)).isGreaterThan(0.85);
        assertThat(agreement(checkpoint, Precision.INT4)).isGreaterThan(0.3);
    }

    @ParameterizedTest
    @MethodSource("checkpoints")
    void quantisedEncodersStayNearTheReference(GoldenCheckpoint checkpoint) {
        GoldenCase golden = checkpoint.caseNamed("one-picture");
        for (Precision precision : List.of(Precision.INT8, Precision.INT4)) {
            Bundle bundle = bundle(checkpoint, precision);
            try (OnnxModel encoder = OnnxModel.load(bundle.encoderGraph(), OPTIONS);
                    OnnxModel projector = OnnxModel.load(bundle.projectorGraph(), OPTIONS)) {
                Tensor features = features(bundle, encoder, golden);
                assertThat(relativeError(
                                features.toFloats(), golden.encoderOutput().floats()))
                        .isLessThan(0.02);
                Tensor embeddings = Objects.requireNonNull(
                        projector.run(Map.of(GraphContract.FEATURES, features)).get(GraphContract.EMBEDDINGS));
                assertThat(relativeError(
                                embeddings.toFloats(), golden.projectorOutput().floats()))
                        .isLessThan(0.03);
            }
        }
    }

    /** The share of steps whose best token is the reference's, each step after the reference's own tokens. */
    private static double agreement(GoldenCheckpoint checkpoint, Precision precision) {
        int steps = 0;
        int same = 0;
        try (Decoding decoding = new Decoding(bundle(checkpoint, precision))) {
            for (GoldenCase golden : checkpoint.cases()) {
                float[] logits = decoding.prefill(0, golden, 256);
                int length = golden.promptTokens();
                for (int id : golden.generatedIds()) {
                    assertThat(logits).doesNotContain(Float.NaN);
                    same += best(logSoftmax(logits)) == id ? 1 : 0;
                    steps++;
                    logits = decoding.step(0, length++, golden, id);
                }
            }
        }
        return (double) same / steps;
    }

    private static Bundle bundle(GoldenCheckpoint checkpoint, Precision precision) {
        return BUNDLES.computeIfAbsent(
                checkpoint.family() + "-" + checkpoint.name() + "-" + precision.wireName(),
                name -> Importer.importCheckpoint(
                        checkpoint.directory(),
                        directory.resolve(name),
                        ImportOptions.of(precision, checkpoint.visionTower()),
                        ProgressListener.SILENT));
    }

    /** [rows, width] of all of the case's pictures, from their files. */
    private static Tensor features(Bundle bundle, OnnxModel encoder, GoldenCase golden) {
        PicturePreprocessor preprocessor =
                FamilyRegistry.load().familyOf(bundle).preprocessor(bundle);
        List<float[]> parts = new ArrayList<>();
        int length = 0;
        for (GoldenCase.Picture picture : golden.pictures()) {
            List<RgbPicture> frames =
                    golden.filesOf(picture).stream().map(GoldenTest::decode).toList();
            PictureSource source = new PictureSource(
                    picture.isVideo() ? Medium.VIDEO : Medium.PICTURE,
                    frames.size(),
                    picture.width(),
                    picture.height());
            PictureLayout layout = preprocessor.plan(source, new PixelLimits(picture.minPixels(), picture.maxPixels()));
            List<Tile> tiles = preprocessor.tiles(frames, layout);
            for (int i = 0; i < tiles.size(); i++) {
                Tensor features = Objects.requireNonNull(encoder.run(preprocessor.encoderInputs(
                                tiles.get(i), layout.grids().get(i)))
                        .get(GraphContract.FEATURES));
                parts.add(features.toFloats());
                length += parts.getLast().length;
            }
        }
        float[] all = new float[length];
        int at = 0;
        for (float[] part : parts) {
            System.arraycopy(part, 0, all, at, part.length);
            at += part.length;
        }
        int width = bundle.manifest().encoder().featureWidth();
        return Tensor.ofFloats(all, length / width, width);
    }

    private static RgbPicture decode(Path file) {
        try {
            return PictureDecoder.decode(
                    Files.readAllBytes(file), new PictureLimits(1 << 24, 1 << 28), Rendering.REFERENCE);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static double relativeError(float[] actual, float[] expected) {
        double error = 0;
        double size = 0;
        for (int i = 0; i < expected.length; i++) {
            error += Math.pow(actual[i] - expected[i], 2);
            size += Math.pow(expected[i], 2);
        }
        return Math.sqrt(error / size);
    }

    private static double[] logSoftmax(float[] logits) {
        double largest = Double.NEGATIVE_INFINITY;
        for (float logit : logits) {
            largest = Math.max(largest, logit);
        }
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - largest);
        }
        double[] out = new double[logits.length];
        for (int i = 0; i < out.length; i++) {
            out[i] = logits[i] - largest - Math.log(sum);
        }
        return out;
    }

    private static int best(double[] values) {
        int best = 0;
        for (int i = 1; i < values.length; i++) {
            if (values[i] > values[best]) {
                best = i;
            }
        }
        return best;
    }

    /** A decoder with its embedding table. */
    private static final class Decoding implements AutoCloseable {

        private final DecoderShape shape;
        private final CausalDecoder decoder;
        private final EmbeddingTable table;
        private final float scale;

        Decoding(Bundle bundle) {
            BundleManifest.Decoder sizes = bundle.manifest().decoder();
            scale = sizes.embeddingScale();
            shape = new DecoderShape(
                    sizes.layers(),
                    sizes.kvHeads(),
                    sizes.headDim(),
                    sizes.hidden(),
                    sizes.vocabulary(),
                    sizes.positionChannels());
            decoder = CausalDecoder.load(bundle.decoderGraph(), shape, 6, CAPACITY, OPTIONS);
            table = EmbeddingTable.open(
                    bundle.decoderEmbeddings(), sizes.embeddingDtype(), sizes.embeddingRows(), sizes.hidden());
        }

        /** A token's embedding at row {@code row} of {@code target}. */
        void embed(int id, float[] target, int row) {
            int from = row * shape.hidden();
            table.row(id, target, from);
            for (int i = from; i < from + shape.hidden(); i++) {
                target[i] *= scale;
            }
        }

        /** The prompt with the golden's picture embeddings, in chunks; the last token's logits. */
        float[] prefill(int slot, GoldenCase golden, int chunk) {
            int[] ids = golden.inputIds();
            float[] embeds = new float[ids.length * shape.hidden()];
            for (int i = 0; i < ids.length; i++) {
                embed(ids[i], embeds, i);
            }
            int from = 0;
            for (GoldenCase.Picture picture : golden.pictures()) {
                int count = picture.tokens() * shape.hidden();
                System.arraycopy(
                        golden.pictureEmbeddings().floats(),
                        from,
                        embeds,
                        picture.firstToken() * shape.hidden(),
                        count);
                from += count;
            }
            long[] all = golden.positionIds().longs();
            int most = golden.prefill().equals("whole_prefix") ? ids.length : Math.min(chunk, ids.length);
            float[] logits = new float[0];
            for (int past = 0; past < ids.length; past += most) {
                int end = Math.min(past + most, ids.length);
                long[][] positions = new long[shape.positionChannels()][];
                for (int c = 0; c < positions.length; c++) {
                    positions[c] = Arrays.copyOfRange(all, c * ids.length + past, c * ids.length + end);
                }
                float[] part = Arrays.copyOfRange(embeds, past * shape.hidden(), end * shape.hidden());
                float[] out = decoder.prefill(slot, past, part, end - past, positions, end == ids.length);
                logits = out == null ? logits : out;
            }
            return logits;
        }

        /** The logits after {@code id} at index {@code length}. */
        float[] step(int slot, int length, GoldenCase golden, int id) {
            float[] embed = new float[shape.hidden()];
            embed(id, embed, 0);
            long[] position = {golden.nextPosition() + length - golden.promptTokens()};
            float[][] logits = new float[1][shape.vocabulary()];
            long[][] positions = new long[shape.positionChannels()][];
            Arrays.fill(positions, position);
            decoder.decode(slot, 1, embed, positions, new int[] {length + 1}, logits);
            return logits[0];
        }

        @Override
        public void close() {
            decoder.close();
            table.close();
        }
    }
}
