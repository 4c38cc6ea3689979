package org.vlmserve.protocol;

import org.jspecify.annotations.Nullable;

/**
 * A caller's own bounds on the resized size of one picture, in pixels; null leaves the checkpoint's bound in force.
 */
public record PixelLimits(
        @Nullable Long minPixels, @Nullable Long maxPixels) {

    public static final PixelLimits NONE = new PixelLimits(null, null);
}
