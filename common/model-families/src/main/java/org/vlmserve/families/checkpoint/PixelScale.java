package org.vlmserve.families.checkpoint;

import java.util.List;
import org.vlmserve.families.preprocess.ChannelNormalizer;

/**
 * How 8-bit values become the encoder's numbers.
 *
 * @param imageMean one for each channel
 * @param imageStd one for each channel
 */
public record PixelScale(double rescaleFactor, List<Double> imageMean, List<Double> imageStd) {

    private static final List<Double> CLIP_MEAN = List.of(0.48145466, 0.4578275, 0.40821073);
    private static final List<Double> CLIP_STD = List.of(0.26862954, 0.26130258, 0.27577711);

    /** @param images the picture processor's settings; absent, mean and deviation are CLIP's */
    public static PixelScale clip(CheckpointJson images) {
        for (String step : List.of("do_rescale", "do_normalize", "do_convert_rgb")) {
            if (!images.booleanValue(step, true)) {
                throw images.unsupported(step, "true");
            }
        }
        if (images.intValue("resample", 3) != 3) {
            throw images.unsupported("resample", "3, bicubic");
        }
        List<Double> mean = images.doubles("image_mean", CLIP_MEAN);
        List<Double> std = images.doubles("image_std", CLIP_STD);
        if (mean.size() != 3) {
            throw images.unreadable("image_mean", "three numbers");
        }
        if (std.size() != 3 || std.contains(0.0)) {
            throw images.unreadable("image_std", "three numbers other than 0");
        }
        return new PixelScale(images.doubleValue("rescale_factor", 1 / 255.0), mean, std);
    }

    public ChannelNormalizer normalizer() {
        return new ChannelNormalizer(rescaleFactor, imageMean, imageStd);
    }
}
