package org.vlmserve.families.llavanext;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.vlmserve.families.FamilyContractTest;
import org.vlmserve.families.FamilyRegistry;
import org.vlmserve.families.ModelFamily;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.checkpoint.PixelScale;
import org.vlmserve.families.checkpoint.TokenizerFiles;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.testing.DocumentTable;
import org.vlmserve.testing.Goldens;

class LlavaNextFamilyTest extends FamilyContractTest {

    @Override
    protected ModelFamily family() {
        return new LlavaNextFamily();
    }

    @Override
    protected BundleManifest manifest(Path checkpoint) {
        return LlavaNextConfig.read(checkpoint, null, new Warnings()).manifest("fp32", Instant.EPOCH, DType.F32);
    }

    @Override
    protected TokenizerFiles tokenizer(Path checkpoint) {
        return LlavaNextConfig.read(checkpoint, null, new Warnings()).parts().tokenizer();
    }

    @Override
    protected String pixelInput() {
        return "pixel_values";
    }

    @Override
    protected List<String> placeholders() {
        return List.of("<image>");
    }

    static List<Goldens.Tilings> tilings() {
        return Goldens.find().tilings();
    }

    private static LlavaNextPreprocessor preprocessor(Goldens.Tilings golden) {
        return new LlavaNextPreprocessor(new LlavaNextPreprocessing(
                golden.tileSize(),
                golden.patchSize(),
                golden.pinpoints().stream()
                        .map(pair -> new LlavaNextPreprocessing.Pinpoint(pair.get(0), pair.get(1)))
                        .toList(),
                new PixelScale(1 / 255.0, List.of(0.5, 0.5, 0.5), List.of(0.5, 0.5, 0.5))));
    }

    @ParameterizedTest
    @MethodSource("tilings")
    void canvasesAndTokensAreTheReferences(Goldens.Tilings golden) {
        LlavaNextPreprocessor preprocessor = preprocessor(golden);
        for (List<Integer> row : golden.results()) {
            PictureLayout layout = preprocessor.plan(PictureSource.still(row.get(1), row.get(0)), PixelLimits.NONE);
            assertThat(List.of(layout.resizedHeight(), layout.resizedWidth(), layout.tokens()))
                    .as("%s", row)
                    .isEqualTo(row.subList(2, 5));
            int[] splice = preprocessor.splice(layout);
            assertThat(splice).hasSize(layout.tokens());
            assertThat(Arrays.stream(splice)).allMatch(r -> r < layout.embeddingRows());
            assertThat(Arrays.stream(splice).filter(r -> r >= 0).distinct().count())
                    .isEqualTo(Arrays.stream(splice).filter(r -> r >= 0).count());
            assertThat(layout.grids())
                    .hasSize(layout.featureRows() / layout.grids().getFirst().patches());
        }
    }

    /** A full canvas of four tiles: 2,880 patches, and a newline behind each of 48 rows. */
    @Test
    void tokensOfTheHubsLargestSquare() {
        PictureLayout layout = preprocessor(tilings().getFirst()).plan(PictureSource.still(672, 672), PixelLimits.NONE);
        assertThat(layout.tokens()).isEqualTo(2880 + 48);
        assertThat(layout.grids()).hasSize(5);
    }

    static List<List<Integer>> theTableOfTheDocument() {
        return DocumentTable.numbers(
                "docs/families.md", "| Picture, width × height | Canvas | Encoder runs | Tokens |");
    }

    /** With the Hub's pinpoints. */
    @ParameterizedTest
    @MethodSource
    void theTableOfTheDocument(List<Integer> row) {
        PictureLayout layout =
                preprocessor(tilings().getFirst()).plan(PictureSource.still(row.get(0), row.get(1)), PixelLimits.NONE);
        assertThat(List.of(
                        row.get(0),
                        row.get(1),
                        layout.resizedWidth(),
                        layout.resizedHeight(),
                        layout.grids().size(),
                        layout.tokens()))
                .isEqualTo(row);
    }

    @Test
    void aVideoIsRefused() {
        LlavaNextPreprocessor preprocessor = preprocessor(tilings().getFirst());
        expect(
                ErrorCode.PROMPT_UNSUPPORTED,
                () -> preprocessor.plan(new PictureSource(Medium.VIDEO, 2, 64, 64), PixelLimits.NONE));
    }

    @Test
    void theFamilyAnnouncesItself() {
        assertThat(FamilyRegistry.load().ids()).contains("llava_next");
    }
}
