package org.vlmserve.media.picture;

/**
 * Bounds that hold before anything of a picture's size is allocated.
 *
 * @param maxPixels most pixels (width × height)
 * @param maxBytes most bytes that decoding holds at once beside the file, as far as the file's own numbers decide on it
 */
public record PictureLimits(long maxPixels, long maxBytes) {

    public PictureLimits {
        if (maxPixels < 1 || maxBytes < 1) {
            throw new IllegalArgumentException(
                    "limits are " + maxPixels + " pixels and " + maxBytes + " bytes; expected at least 1 of each");
        }
    }
}
