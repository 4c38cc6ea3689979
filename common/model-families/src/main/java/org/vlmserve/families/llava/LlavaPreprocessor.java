package org.vlmserve.families.llava;

import java.util.List;
import java.util.Map;
import org.vlmserve.families.preprocess.BicubicResizer;
import org.vlmserve.families.preprocess.ChannelNormalizer;
import org.vlmserve.families.preprocess.FixedSize;
import org.vlmserve.families.preprocess.PatchRows;
import org.vlmserve.families.preprocess.PictureCuts;
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
 * One square for each picture. Follows {@code image_processing_pil_clip.py} and {@code image_processing_pil_llava.py} of
 * transformers 5.18, whose 8-bit pixels it gives bit for bit.
 */
final class LlavaPreprocessor implements PicturePreprocessor {

    /** Pixels of the square that a picture is padded to. */
    private static final long MOST_PADDED = 1L << 27;

    private final LlavaPreprocessing numbers;
    private final ChannelNormalizer normalizer;

    LlavaPreprocessor(LlavaPreprocessing numbers) {
        this.numbers = numbers;
        this.normalizer = numbers.scale().normalizer();
    }

    @Override
    public PictureLayout plan(PictureSource source, PixelLimits limits) {
        FixedSize.check(source, limits);
        long side = Math.max(source.width(), source.height());
        if (numbers.padToSquare() && side * side > MOST_PADDED) {
            throw new VlmException(
                    ErrorCode.PICTURE_TOO_MANY_PIXELS,
                    "the picture is " + source.width() + "×" + source.height() + ", and would be padded to a square of "
                            + side * side + " pixels; at most " + MOST_PADDED + " are possible, make it smaller");
        }
        int patches = numbers.imageSize() / numbers.patchSize();
        return new PictureLayout(
                source,
                numbers.imageSize(),
                numbers.imageSize(),
                List.of(new PictureLayout.Grid(1, patches, patches)),
                numbers.rows(),
                numbers.rows(),
                numbers.rows());
    }

    @Override
    public List<Tile> tiles(List<RgbPicture> frames, PictureLayout layout) {
        RgbPicture picture = FixedSize.only(frames, layout.source());
        if (numbers.padToSquare()) {
            // int(mean · 255), as the reference has it: towards zero.
            int[] background = numbers.scale().imageMean().stream()
                    .mapToInt(mean -> (int) (mean * 255))
                    .toArray();
            picture = PictureCuts.padToSquare(picture, background);
        }
        int side = numbers.imageSize();
        Integer edge = numbers.shortestEdge();
        return List.of(Tile.of(
                edge == null
                        ? BicubicResizer.resize(picture, side, side)
                        : PictureCuts.resizeAndCrop(picture, edge, side, side)));
    }

    @Override
    public Map<String, Tensor> encoderInputs(Tile tile, PictureLayout.Grid grid) {
        return Map.of("pixel_values", PatchRows.of(tile.picture(), numbers.patchSize(), normalizer));
    }
}
