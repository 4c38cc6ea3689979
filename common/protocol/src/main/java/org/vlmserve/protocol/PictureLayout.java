package org.vlmserve.protocol;

import java.util.List;

/**
 * How a picture is laid out in tokens. The vision encoder computes it once; it travels ahead of the tensors and is
 * asserted later, never recomputed.
 *
 * @param resizedWidth pixels of the canvas that the encoder saw, before it was cut into tiles
 * @param resizedHeight pixels of the canvas that the encoder saw, before it was cut into tiles
 * @param grids the encoder's patch grids in order: one for a picture that is encoded whole, one a tile otherwise
 * @param featureRows rows that the encoder gives, all grids together
 * @param embeddingRows rows that the projector makes of them
 * @param tokens positions that the picture takes in the prompt, newline vectors included
 */
public record PictureLayout(
        PictureSource source,
        int resizedWidth,
        int resizedHeight,
        List<Grid> grids,
        int featureRows,
        int embeddingRows,
        int tokens) {

    public PictureLayout {
        grids = List.copyOf(grids);
    }

    /** Patches in time, height and width. */
    public record Grid(int time, int height, int width) {
        public int patches() {
            return time * height * width;
        }
    }
}
