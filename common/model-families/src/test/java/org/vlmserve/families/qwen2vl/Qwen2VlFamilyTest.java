package org.vlmserve.families.qwen2vl;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.vlmserve.families.FamilyContractTest;
import org.vlmserve.families.FamilyRegistry;
import org.vlmserve.families.ModelFamily;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.checkpoint.TokenizerFiles;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.families.preprocess.RgbPicture;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;
import org.vlmserve.testing.DocumentTable;
import org.vlmserve.testing.Goldens;

class Qwen2VlFamilyTest extends FamilyContractTest {

    @Override
    protected ModelFamily family() {
        return new Qwen2VlFamily();
    }

    @Override
    protected BundleManifest manifest(Path checkpoint) {
        Qwen2VlConfig config = Qwen2VlConfig.read(checkpoint, null, new Warnings());
        return new BundleManifest(
                BundleManifest.FORMAT,
                Qwen2VlConfig.MODEL_TYPE,
                "0123456789ab",
                "fp32",
                Instant.EPOCH,
                config.encoder(),
                config.projector(),
                config.decoder(DType.F32),
                config.generation(),
                config.preprocessingSection(),
                config.promptSection(),
                BundleManifest.Checkpoint.UNREMARKABLE,
                config.chatTemplate());
    }

    @Override
    protected TokenizerFiles tokenizer(Path checkpoint) {
        return Qwen2VlConfig.read(checkpoint, null, new Warnings()).tokenizer();
    }

    @Override
    protected String pixelInput() {
        return "pixel_values";
    }

    @Override
    protected List<String> placeholders() {
        return List.of("<|image_pad|>", "<|video_pad|>");
    }

    private static Qwen2VlPreprocessor preprocessor(long minPixels, long maxPixels) {
        return new Qwen2VlPreprocessor(new Qwen2VlPreprocessing(
                14,
                2,
                2,
                minPixels,
                maxPixels,
                1 / 255.0,
                List.of(0.5, 0.5, 0.5),
                List.of(0.5, 0.5, 0.5),
                8,
                10_000,
                new Qwen2VlPreprocessing.Video(1568, 9408, null, 4, 768, null, null)));
    }

    static List<Goldens.SmartResize> smartResizes() {
        return Goldens.find().smartResizes();
    }

    @ParameterizedTest
    @MethodSource("smartResizes")
    void smartResizeIsTheReferences(Goldens.SmartResize golden) {
        Qwen2VlPreprocessor preprocessor = preprocessor(1, Integer.MAX_VALUE);
        if (golden.refused()) {
            expect(
                    ErrorCode.PICTURE_ASPECT_RATIO,
                    () -> preprocessor.smartResize(
                            golden.height(), golden.width(), golden.factor(), golden.minPixels(), golden.maxPixels()));
            return;
        }
        Qwen2VlPreprocessor.Size size = preprocessor.smartResize(
                golden.height(), golden.width(), golden.factor(), golden.minPixels(), golden.maxPixels());
        assertThat(size.height()).isEqualTo(golden.resizedHeight());
        assertThat(size.width()).isEqualTo(golden.resizedWidth());
    }

    @ParameterizedTest
    @CsvSource({"224, 224, 64", "448, 448, 256", "448, 280, 160", "280, 448, 160"})
    void tokenCountsOfTheWorkedExamples(int width, int height, int tokens) {
        PictureLayout layout =
                preprocessor(3136, 12_845_056).plan(PictureSource.still(width, height), PixelLimits.NONE);
        assertThat(layout.tokens()).isEqualTo(tokens);
        assertThat(layout.featureRows()).isEqualTo(tokens * 4);
    }

    static List<List<Integer>> theTableOfTheDocument() {
        return DocumentTable.numbers(
                "docs/families.md", "| Width × height | Resized | Tokens | As a video of 8 frames | Tokens |");
    }

    /** With the Hub's limits for pictures and the class's own for videos. */
    @ParameterizedTest
    @MethodSource
    void theTableOfTheDocument(List<Integer> row) {
        Qwen2VlPreprocessor preprocessor = new Qwen2VlPreprocessor(new Qwen2VlPreprocessing(
                14,
                2,
                2,
                3136,
                12_845_056,
                1 / 255.0,
                List.of(0.5, 0.5, 0.5),
                List.of(0.5, 0.5, 0.5),
                8,
                10_000,
                new Qwen2VlPreprocessing.Video(100_352, 602_112, null, 4, 768, null, null)));
        int width = row.get(0);
        int height = row.get(1);
        PictureLayout picture = preprocessor.plan(PictureSource.still(width, height), PixelLimits.NONE);
        PictureLayout video = preprocessor.plan(new PictureSource(Medium.VIDEO, 8, width, height), PixelLimits.NONE);
        assertThat(List.of(
                        width,
                        height,
                        picture.resizedWidth(),
                        picture.resizedHeight(),
                        picture.tokens(),
                        video.resizedWidth(),
                        video.resizedHeight(),
                        video.tokens()))
                .isEqualTo(row);
    }

    @Test
    void aCallersLimitReplacesTheCheckpointsAlone() {
        Qwen2VlPreprocessor preprocessor = preprocessor(3136, 12544);
        assertThat(preprocessor
                        .plan(PictureSource.still(1000, 1000), PixelLimits.NONE)
                        .resizedWidth())
                .isEqualTo(112);
        assertThat(preprocessor
                        .plan(PictureSource.still(1000, 1000), new PixelLimits(null, 50_176L))
                        .resizedWidth())
                .isEqualTo(224);
        assertThat(preprocessor
                        .plan(PictureSource.still(10, 10), new PixelLimits(6000L, null))
                        .resizedWidth())
                .isEqualTo(84);
        expect(
                ErrorCode.PIXEL_LIMITS_INVALID,
                () -> preprocessor.plan(PictureSource.still(10, 10), new PixelLimits(20_000L, null)));
    }

    @Test
    void aPictureThatNoTensorCanHoldIsRefusedBeforeItIsMade() {
        Qwen2VlPreprocessor preprocessor = preprocessor(3136, 12544);
        expect(
                ErrorCode.PICTURE_TOO_MANY_PIXELS,
                () -> preprocessor.plan(PictureSource.still(10, 10), new PixelLimits(1L << 40, 1L << 41)));
    }

    @Test
    void theRotationsTurnWithRowAndColumnInBlocks() {
        Qwen2VlPreprocessor preprocessor = preprocessor(3136, 12544);
        PictureLayout layout = preprocessor.plan(PictureSource.still(56, 56), PixelLimits.NONE);
        RgbPicture black = new RgbPicture(56, 56, new byte[56 * 56 * 3]);
        Map<String, Tensor> inputs = preprocessor.encoderInputs(
                preprocessor.tiles(List.of(black), layout).getFirst(),
                layout.grids().getFirst());
        Tensor cos = Objects.requireNonNull(inputs.get("cos"));
        Tensor sin = Objects.requireNonNull(inputs.get("sin"));
        assertThat(cos.shape()).containsExactly(16, 4);
        assertThat(sin.shape()).containsExactly(16, 4);
        // Patch 6 is the third of the second block: row 1, column 2; frequencies of a head of 8 are 1 and 1/100.
        float[] expected = {(float) Math.sin(1), (float) Math.sin(0.01f), (float) Math.sin(2), (float) Math.sin(0.02f)};
        assertThat(sin.rows(6, 7).toFloats()).containsExactly(expected);
        assertThat(cos.rows(0, 1).toFloats()).containsExactly(1, 1, 1, 1);
    }

    @Test
    void aVideoTakesARunForEachPairOfItsFrames() {
        Qwen2VlPreprocessor preprocessor = preprocessor(3136, 12544);
        for (int frames = 1; frames < 6; frames++) {
            PictureLayout layout = preprocessor.plan(new PictureSource(Medium.VIDEO, frames, 84, 56), PixelLimits.NONE);
            assertThat(layout.grids()).hasSize((frames + 1) / 2).containsOnly(new PictureLayout.Grid(1, 4, 6));
            assertThat(layout.tokens()).isEqualTo((frames + 1) / 2 * 6);
        }
        expect(
                ErrorCode.VIDEO_TOO_LONG,
                () -> preprocessor.plan(new PictureSource(Medium.VIDEO, Integer.MAX_VALUE, 84, 56), PixelLimits.NONE));
        expect(
                ErrorCode.PICTURE_TOO_MANY_PIXELS,
                () -> preprocessor.plan(
                        new PictureSource(Medium.VIDEO, 60_000, 4000, 4000), new PixelLimits(null, 1L << 40)));
    }

    @Test
    void theFamilyAnnouncesItself() {
        assertThat(FamilyRegistry.load().ids()).contains("qwen2_vl");
    }
}
