package org.vlmserve.encoder;

import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.StageTimes;
import org.vlmserve.protocol.tensor.Tensor;

/** Where one picture's results go. */
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
     * Rows [firstRow, firstRow + rows.dim(0)) of the picture's features. Slices come in any order.
     *
     * @param rows float [rows, E], whole row groups, at most
     *     {@link org.vlmserve.protocol.ProtocolLimits#MAX_SLICE_BYTES}
     * @param times what the picture has cost; zero on all slices but the one with {@code firstRow} 0
     */
    void features(int firstRow, int totalRows, Tensor rows, StageTimes times);
}
