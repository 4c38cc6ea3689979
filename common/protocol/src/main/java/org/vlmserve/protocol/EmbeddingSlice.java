package org.vlmserve.protocol;

import org.vlmserve.protocol.tensor.Tensor;

/**
 * Topic {@code embeddings}: projected rows in the decoder's width.
 *
 * @param firstRow index of the first row among {@link PictureLayout#embeddingRows()}
 * @param totalRows {@link PictureLayout#embeddingRows()}
 * @param rows float [rows, hidden]
 * @param times what this slice's way so far cost; summed over the slices of a picture
 */
public record EmbeddingSlice(
        Envelope envelope, PictureKey picture, int firstRow, int totalRows, Tensor rows, StageTimes times)
        implements WireMessage {}
