package org.vlmserve.media.video;

import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * Bounds that hold before a video's frames are decoded.
 *
 * @param maxSourceFrames most frames of the file, taken or not: each one before the last that is taken has to be decoded
 * @param maxFramePixels most pixels (width × height) of a frame
 * @param maxTakenPixels most pixels of all frames that are taken, which are in memory together
 */
public record VideoLimits(int maxSourceFrames, long maxFramePixels, long maxTakenPixels) {

    public VideoLimits {
        if (maxSourceFrames < 1 || maxFramePixels < 1 || maxTakenPixels < 1) {
            throw new IllegalArgumentException("limits are " + maxSourceFrames + " frames, " + maxFramePixels + " and "
                    + maxTakenPixels + " pixels; expected at least 1 of each");
        }
    }

    /** @throws VlmException {@code PICTURE_TOO_MANY_PIXELS} */
    void checkTaken(int width, int height, int taken) {
        long pixels = (long) width * height * taken;
        if (pixels > maxTakenPixels) {
            throw new VlmException(
                    ErrorCode.PICTURE_TOO_MANY_PIXELS,
                    taken + " frames of " + width + "×" + height + " are " + pixels + " pixels, at most "
                            + maxTakenPixels + " are taken together; send the video smaller, or ask for fewer frames");
        }
    }
}
