package org.vlmserve.protocol;

import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;

/**
 * Topic {@code images}: one encoder run of a picture that has several, put back by the encoder that laid the picture out so
 * that others may help.
 *
 * @param tile which of {@link PictureLayout#grids()}
 * @param firstRow index of the tile's first row among {@link PictureLayout#featureRows()}
 * @param rows how many the tile gives
 * @param totalRows {@link PictureLayout#featureRows()}
 * @param grid the tile's own
 * @param pixels u8 [frames, height, width, 3], RGB as the encoder sees them before rescaling and normalisation
 */
public record TileJob(
        Envelope envelope,
        PictureKey picture,
        int tile,
        int firstRow,
        int rows,
        int totalRows,
        PictureLayout.Grid grid,
        Tensor pixels)
        implements EncoderJob {

    public TileJob {
        if (pixels.dtype() != DType.U8 || pixels.rank() != 4 || pixels.dim(0) < 1 || pixels.dim(3) != 3) {
            throw new IllegalArgumentException("pixels are " + pixels + ", expected U8[frames, height, width, 3]");
        }
    }
}
