package org.vlmserve.families.llavanext;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.vlmserve.families.llavanext.AnyRes.Unpadded;
import org.vlmserve.families.llavanext.LlavaNextPreprocessing.Pinpoint;
import org.vlmserve.families.preprocess.BicubicResizer;
import org.vlmserve.families.preprocess.ChannelNormalizer;
import org.vlmserve.families.preprocess.FixedSize;
import org.vlmserve.families.preprocess.PatchRows;
import org.vlmserve.families.preprocess.PictureCuts;
import org.vlmserve.families.preprocess.PicturePreprocessor;
import org.vlmserve.families.preprocess.Tile;
import org.vlmserve.families.prompt.PlaceholderPromptBuilder;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.tensor.Tensor;

/**
 * A thumbnail, stretched to a square, and the tiles of a canvas on which the picture stands in the middle of black. Follows
 * {@code image_processing_pil_llava_next.py} of transformers 5.18, whose 8-bit pixels it gives bit for bit.
 */
final class LlavaNextPreprocessor implements PicturePreprocessor {

    private final LlavaNextPreprocessing numbers;
    private final ChannelNormalizer normalizer;

    LlavaNextPreprocessor(LlavaNextPreprocessing numbers) {
        this.numbers = numbers;
        this.normalizer = numbers.scale().normalizer();
    }

    @Override
    public PictureLayout plan(PictureSource source, PixelLimits limits) {
        FixedSize.check(source, limits);
        Pinpoint canvas = AnyRes.canvas(source.width(), source.height(), numbers.pinpoints());
        int side = numbers.side();
        int tiles = 1 + canvas.width() / numbers.tileSize() * (canvas.height() / numbers.tileSize());
        int rows = tiles * side * side;
        Unpadded kept = unpadded(source, canvas.width(), canvas.height());
        return new PictureLayout(
                source,
                canvas.width(),
                canvas.height(),
                Collections.nCopies(tiles, new PictureLayout.Grid(1, side, side)),
                rows,
                rows,
                side * side + kept.keptRows() * (kept.keptColumns() + 1));
    }

    private Unpadded unpadded(PictureSource source, int canvasWidth, int canvasHeight) {
        return AnyRes.unpadded(
                source.width(), source.height(), canvasWidth / numbers.patchSize(), canvasHeight / numbers.patchSize());
    }

    @Override
    public List<Tile> tiles(List<RgbPicture> frames, PictureLayout layout) {
        RgbPicture picture = FixedSize.only(frames, layout.source());
        int side = numbers.tileSize();
        Pinpoint size = new Pinpoint(layout.resizedHeight(), layout.resizedWidth());
        AnyRes.Size fitted = AnyRes.fitted(picture.width(), picture.height(), size);
        RgbPicture canvas = PictureCuts.pad(
                BicubicResizer.resize(picture, fitted.width(), fitted.height()),
                (size.width() - fitted.width()) / 2,
                (size.height() - fitted.height()) / 2,
                size.width(),
                size.height());
        List<Tile> tiles = new ArrayList<>();
        tiles.add(Tile.of(BicubicResizer.resize(picture, side, side)));
        for (int top = 0; top < size.height(); top += side) {
            for (int left = 0; left < size.width(); left += side) {
                tiles.add(Tile.of(PictureCuts.cut(canvas, left, top, side, side)));
            }
        }
        return tiles;
    }

    @Override
    public Map<String, Tensor> encoderInputs(Tile tile, PictureLayout.Grid grid) {
        return Map.of("pixel_values", PatchRows.of(tile.picture(), numbers.patchSize(), normalizer));
    }

    /**
     * The thumbnail's rows, then the canvas's without its padding, row by row over all tiles, a newline behind each. Follows
     * {@code pack_image_features} of {@code modeling_llava_next.py}.
     */
    int[] splice(PictureLayout layout) {
        int side = numbers.side();
        int perTile = side * side;
        int tilesAcross = layout.resizedWidth() / numbers.tileSize();
        Unpadded kept = unpadded(layout.source(), layout.resizedWidth(), layout.resizedHeight());
        int[] rows = new int[layout.tokens()];
        int at = 0;
        while (at < perTile) {
            rows[at] = at++;
        }
        for (int y = kept.skippedRows(); y < kept.rows() - kept.skippedRows(); y++) {
            for (int x = kept.skippedColumns(); x < kept.columns() - kept.skippedColumns(); x++) {
                int tile = 1 + y / side * tilesAcross + x / side;
                rows[at++] = tile * perTile + y % side * side + x % side;
            }
            rows[at++] = PlaceholderPromptBuilder.LEARNED;
        }
        return rows;
    }
}
