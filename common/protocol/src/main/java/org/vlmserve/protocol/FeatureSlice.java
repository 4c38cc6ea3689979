package org.vlmserve.protocol;

import org.vlmserve.protocol.tensor.Tensor;

/**
 * Topic {@code features}: whole groups of the encoder's output rows. A slice is a job of its own: rows are independent in
 * the projector, and slices may be projected anywhere in any order.
 *
 * @param firstRow index of the first row among {@link PictureLayout#featureRows()}
 * @param totalRows {@link PictureLayout#featureRows()}
 * @param rows float [rows, featureWidth]
 * @param times what the encoder run behind it cost, and in the first run the picture's way there; the first slice of each run
 *     carries them, the others carry zeros
 */
public record FeatureSlice(
        Envelope envelope, PictureKey picture, int firstRow, int totalRows, Tensor rows, StageTimes times)
        implements WireMessage {}
