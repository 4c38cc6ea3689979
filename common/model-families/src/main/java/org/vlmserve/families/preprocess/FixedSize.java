package org.vlmserve.families.preprocess;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** What families have in common whose encoder sees pictures of sizes that the checkpoint fixes. */
public final class FixedSize {

    private FixedSize() {}

    /**
     * Refuses what is no picture, and limits that contradict themselves. Limits that a picture could keep have no effect: its
     * size is the checkpoint's, as the layout says.
     *
     * @throws VlmException {@code PROMPT_UNSUPPORTED}, {@code PIXEL_LIMITS_INVALID}
     */
    public static void check(PictureSource source, PixelLimits limits) {
        if (source.medium() != Medium.PICTURE || source.frames() != 1) {
            throw new VlmException(
                    ErrorCode.PROMPT_UNSUPPORTED,
                    "a video of " + source.frames() + " frames was given; this model takes pictures only");
        }
        atLeastOne("min_pixels", limits.minPixels());
        atLeastOne("max_pixels", limits.maxPixels());
        Long min = limits.minPixels();
        Long max = limits.maxPixels();
        if (min != null && max != null && min > max) {
            throw new VlmException(
                    ErrorCode.PIXEL_LIMITS_INVALID,
                    "min_pixels " + min + " is above max_pixels " + max + "; expected at most as many",
                    "min_pixels",
                    null);
        }
    }

    private static void atLeastOne(String name, @Nullable Long given) {
        if (given != null && given < 1) {
            throw new VlmException(
                    ErrorCode.PIXEL_LIMITS_INVALID, name + " is " + given + "; expected at least 1", name, null);
        }
    }

    /** The picture that a layout was made for. */
    public static RgbPicture only(List<RgbPicture> frames, PictureSource source) {
        RgbPicture picture = frames.getFirst();
        if (frames.size() != 1 || picture.width() != source.width() || picture.height() != source.height()) {
            throw new IllegalArgumentException(frames.size() + " pictures of " + picture.width() + "×"
                    + picture.height() + ", the layout was made for one of " + source.width() + "×" + source.height());
        }
        return picture;
    }
}
