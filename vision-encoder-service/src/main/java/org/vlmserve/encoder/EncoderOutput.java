package org.vlmserve.encoder;

import org.vlmserve.families.preprocess.Tile;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.StageTimes;
import org.vlmserve.protocol.tensor.Tensor;

/** Where one job's results go. */
public interface EncoderOutput {

    /**
     * Asked before each expensive step.
     *
     * @throws org.vlmserve.protocol.error.VlmException when nobody waits for the picture any more
     */
    void checkpoint();

    /** The picture's layout, before it is encoded. */
    void layout(PictureLayout layout);

    /**
     * Puts one of several tiles back, to be encoded by whoever is free.
     *
     * @param index which of {@link PictureLayout#grids()}
     * @param firstRow of the tile, among {@link PictureLayout#featureRows()}
     * @param rows how many the tile gives
     * @return false if the tile has to be encoded here
     */
    boolean putBack(PictureLayout layout, int index, int firstRow, int rows, Tile tile);

    /**
     * Rows [firstRow, firstRow + rows.dim(0)) of the picture's features. Slices come in any order.
     *
     * @param rows float [rows, E], whole row groups, at most
     *     {@link org.vlmserve.protocol.ProtocolLimits#MAX_SLICE_BYTES}
     * @param times of the encoder run, and in the first run of the picture's way there; zero on all but a run's first slice
     */
    void features(int firstRow, int totalRows, Tensor rows, StageTimes times);
}
