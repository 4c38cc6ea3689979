package org.vlmserve.media;

/**
 * A decoded picture in 8-bit RGB.
 *
 * @param pixels [height, width, 3], row-major
 */
public record RgbPicture(int width, int height, byte[] pixels) {

    public RgbPicture {
        if ((long) width * height * 3 != pixels.length) {
            throw new IllegalArgumentException(width + "×" + height + " pixels need " + (long) width * height * 3
                    + " bytes, got " + pixels.length);
        }
    }
}
