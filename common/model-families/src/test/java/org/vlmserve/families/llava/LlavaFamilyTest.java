package org.vlmserve.families.llava;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vlmserve.families.FamilyContractTest;
import org.vlmserve.families.FamilyRegistry;
import org.vlmserve.families.ModelFamily;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.checkpoint.PixelScale;
import org.vlmserve.families.checkpoint.TokenizerFiles;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.families.preprocess.RgbPicture;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.tensor.DType;

class LlavaFamilyTest extends FamilyContractTest {

    @Override
    protected ModelFamily family() {
        return new LlavaFamily();
    }

    @Override
    protected BundleManifest manifest(Path checkpoint) {
        return LlavaConfig.read(checkpoint, null, new Warnings()).manifest("fp32", Instant.EPOCH, DType.F32);
    }

    @Override
    protected TokenizerFiles tokenizer(Path checkpoint) {
        return LlavaConfig.read(checkpoint, null, new Warnings()).parts().tokenizer();
    }

    @Override
    protected String pixelInput() {
        return "pixel_values";
    }

    @Override
    protected List<String> placeholders() {
        return List.of("<image>");
    }

    private static LlavaPreprocessor preprocessor(int imageSize, boolean pad) {
        int side = imageSize / 14;
        return new LlavaPreprocessor(new LlavaPreprocessing(
                imageSize,
                14,
                side * side,
                pad,
                imageSize,
                new PixelScale(1 / 255.0, List.of(0.5, 0.5, 0.5), List.of(0.5, 0.5, 0.5))));
    }

    @ParameterizedTest
    @CsvSource({"224, 256", "336, 576"})
    void tokenCountsOfTheWorkedExamples(int imageSize, int tokens) {
        PictureLayout layout = preprocessor(imageSize, false).plan(PictureSource.still(1920, 1080), PixelLimits.NONE);
        assertThat(layout.tokens()).isEqualTo(tokens);
        assertThat(layout.resizedWidth()).isEqualTo(imageSize);
    }

    /** Its shorter side at 336 pixels, this picture would be 33 million pixels wide; only the middle of it is made. */
    @Test
    void aPictureOfAnyShapeIsCropped() {
        LlavaPreprocessor preprocessor = preprocessor(336, false);
        PictureLayout layout = preprocessor.plan(PictureSource.still(100_000, 1), PixelLimits.NONE);
        RgbPicture line = new RgbPicture(100_000, 1, new byte[300_000]);
        line.pixels()[150_000] = -1;
        assertThat(preprocessor
                        .tiles(List.of(line), layout)
                        .getFirst()
                        .picture()
                        .width())
                .isEqualTo(336);
    }

    @Test
    void aSquareThatNoArrayHoldsIsRefusedBeforeItIsMade() {
        LlavaPreprocessor preprocessor = preprocessor(336, true);
        expect(
                ErrorCode.PICTURE_TOO_MANY_PIXELS,
                () -> preprocessor.plan(PictureSource.still(100_000, 1), PixelLimits.NONE));
    }

    @Test
    void aVideoIsRefused() {
        LlavaPreprocessor preprocessor = preprocessor(336, false);
        expect(
                ErrorCode.PROMPT_UNSUPPORTED,
                () -> preprocessor.plan(new PictureSource(Medium.VIDEO, 2, 64, 64), PixelLimits.NONE));
    }

    @Test
    void theFamilyAnnouncesItself() {
        assertThat(FamilyRegistry.load().ids()).contains("llava");
    }
}
