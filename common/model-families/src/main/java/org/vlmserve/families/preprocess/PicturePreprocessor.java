package org.vlmserve.families.preprocess;

import java.util.List;
import java.util.Map;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.tensor.Tensor;

/** How a family turns a picture into encoder inputs, and how many tokens it costs. */
public interface PicturePreprocessor {

    /**
     * The layout of a picture of this size, without touching pixels.
     *
     * @throws org.vlmserve.protocol.error.VlmException {@code PICTURE_ASPECT_RATIO}, {@code PIXEL_LIMITS_INVALID}
     */
    PictureLayout plan(int sourceWidth, int sourceHeight, PixelLimits limits);

    /**
     * The inputs of the encoder graph, one map for each of {@link PictureLayout#grids()}, by input name.
     *
     * @param layout what {@link #plan} gave for this picture
     */
    List<Map<String, Tensor>> encoderInputs(RgbPicture picture, PictureLayout layout);
}
