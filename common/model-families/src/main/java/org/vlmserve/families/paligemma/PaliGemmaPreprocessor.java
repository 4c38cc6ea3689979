package org.vlmserve.families.paligemma;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.preprocess.BicubicResizer;
import org.vlmserve.families.preprocess.ChannelNormalizer;
import org.vlmserve.families.preprocess.PatchRows;
import org.vlmserve.families.preprocess.PicturePreprocessor;
import org.vlmserve.families.preprocess.Tile;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.Tensor;

/**
 * Stretches every picture to the checkpoint's square: a caller's limits are checked, and then have nothing to decide. Follows
 * {@code SiglipImageProcessorPil} of transformers 5.18.
 */
final class PaliGemmaPreprocessor implements PicturePreprocessor {

    private final PaliGemmaPreprocessing numbers;
    private final ChannelNormalizer normalizer;

    PaliGemmaPreprocessor(PaliGemmaPreprocessing numbers) {
        this.numbers = numbers;
        this.normalizer = new ChannelNormalizer(numbers.rescaleFactor(), numbers.mean(), numbers.std());
    }

    @Override
    public PictureLayout plan(PictureSource source, PixelLimits limits) {
        check(limits);
        int side = numbers.side();
        int tokens = side * side;
        return new PictureLayout(
                source,
                numbers.imageSize(),
                numbers.imageSize(),
                List.of(new PictureLayout.Grid(1, side, side)),
                tokens,
                tokens,
                tokens);
    }

    private static void check(PixelLimits limits) {
        Long min = positive("min_pixels", limits.minPixels());
        Long max = positive("max_pixels", limits.maxPixels());
        if (min != null && max != null && min > max) {
            throw new VlmException(
                    ErrorCode.PIXEL_LIMITS_INVALID,
                    "min_pixels is " + min + " and max_pixels is " + max + "; expected min_pixels to be no more",
                    "min_pixels",
                    null);
        }
    }

    private static @Nullable Long positive(String name, @Nullable Long given) {
        if (given != null && given < 1) {
            throw new VlmException(
                    ErrorCode.PIXEL_LIMITS_INVALID, name + " is " + given + "; expected at least 1", name, null);
        }
        return given;
    }

    @Override
    public List<Tile> tiles(List<RgbPicture> frames, PictureLayout layout) {
        RgbPicture picture = frames.getFirst();
        PictureSource source = layout.source();
        if (picture.width() != source.width() || picture.height() != source.height()) {
            throw new IllegalArgumentException("the picture is " + picture.width() + "×" + picture.height()
                    + ", its layout was made for " + source.width() + "×" + source.height());
        }
        return List.of(Tile.of(BicubicResizer.resize(picture, layout.resizedWidth(), layout.resizedHeight())));
    }

    @Override
    public Map<String, Tensor> encoderInputs(Tile tile, PictureLayout.Grid grid) {
        return Map.of("pixel_values", PatchRows.of(tile.picture(), numbers.patchSize(), normalizer));
    }
}
