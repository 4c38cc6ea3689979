package org.vlmserve.families.preprocess;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.tensor.Tensor;

/**
 * How a family turns a picture into encoder inputs, and how many tokens it costs. The steps are apart so that each can be
 * done elsewhere: a plan touches no pixels, and tiles may be encoded by different machines.
 */
public interface PicturePreprocessor {

    /** The choice of frames, or null for a family that takes pictures only: then no other method is asked about a video. */
    default @Nullable FrameSampler frameSampler() {
        return null;
    }

    /** The checkpoint's own limits on the resized size of a picture, or of a video's frame; none where that size is fixed. */
    default PixelLimits bounds(Medium medium) {
        return PixelLimits.NONE;
    }

    /**
     * The layout of a picture or video of this size, without touching pixels.
     *
     * @throws org.vlmserve.protocol.error.VlmException {@code PICTURE_ASPECT_RATIO}, {@code PICTURE_TOO_MANY_PIXELS},
     *     {@code PIXEL_LIMITS_INVALID}, {@code VIDEO_TOO_LONG}
     */
    PictureLayout plan(PictureSource source, PixelLimits limits);

    /**
     * The pixels of each encoder run, one for each of {@link PictureLayout#grids()}.
     *
     * @param frames one for a picture; a video's in the order of time, all of one size
     * @param layout what {@link #plan} gave for them
     */
    List<Tile> tiles(List<RgbPicture> frames, PictureLayout layout);

    /**
     * The inputs of the encoder graph, by name.
     *
     * @param grid the tile's own
     */
    Map<String, Tensor> encoderInputs(Tile tile, PictureLayout.Grid grid);
}
