package org.vlmserve.encoder;

import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * What a caller's limits on the resized size of a picture come to. They tighten the model's own and the operator's, and never widen
 * them, unless the operator lets them.
 *
 * @param maxPixels the operator's, or null
 * @param beyondModel whether a caller may go beyond the model's own limits
 */
public record PixelBounds(@Nullable Long maxPixels, boolean beyondModel) {

    /** The model's own limits hold. */
    public static final PixelBounds MODEL = new PixelBounds(null, false);

    /**
     * @param asked by the caller
     * @param own the model's; null where it has none
     * @throws VlmException {@code PIXEL_LIMITS_INVALID} for a least size above the largest that is allowed
     */
    PixelLimits tighten(PixelLimits asked, PixelLimits own) {
        Long ceiling = beyondModel ? maxPixels : smaller(own.maxPixels(), maxPixels);
        Long least = asked.minPixels();
        if (least != null && ceiling != null && least > ceiling) {
            throw new VlmException(
                    ErrorCode.PIXEL_LIMITS_INVALID,
                    "min_pixels is " + least + ", expected at most " + ceiling + ", the largest size that "
                            + (ceiling.equals(own.maxPixels()) ? "the model" : "this service") + " takes",
                    "min_pixels",
                    null);
        }
        if (least != null && !beyondModel && own.minPixels() != null) {
            least = Math.max(least, own.minPixels());
        }
        Long most = smaller(asked.maxPixels(), ceiling);
        // The model's own limit needs no naming.
        return new PixelLimits(least, most == null || most.equals(own.maxPixels()) ? asked(asked, most) : most);
    }

    /** A limit that the caller named stays named, so that errors speak of it. */
    private static @Nullable Long asked(PixelLimits asked, @Nullable Long most) {
        return asked.maxPixels() == null ? null : most;
    }

    private static @Nullable Long smaller(@Nullable Long one, @Nullable Long other) {
        if (one == null || other == null) {
            return one == null ? other : one;
        }
        return Math.min(one, other);
    }
}
