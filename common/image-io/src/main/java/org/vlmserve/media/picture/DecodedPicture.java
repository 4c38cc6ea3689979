package org.vlmserve.media.picture;

import org.vlmserve.media.Orientation;
import org.vlmserve.media.RgbPicture;

/**
 * A picture out of its file, before it is turned upright. Decoders that hold samples of their own convert them row by row,
 * so that a picture is not in memory twice.
 */
interface DecodedPicture {

    int width();

    int height();

    /** As EXIF counts, 1 to 8. */
    int orientation();

    /** How many pages or frames the file holds. */
    int frames();

    /** One row in 8-bit RGB, to {@code rgb[at]} and on. Rows are asked for once, from the top. */
    void row(int y, byte[] rgb, int at);

    /** [height, width, 3], as stored. */
    default byte[] pixels() {
        byte[] pixels = new byte[width() * height() * 3];
        for (int y = 0; y < height(); y++) {
            row(y, pixels, y * width() * 3);
        }
        return pixels;
    }

    default RgbPicture upright() {
        return Orientation.apply(new RgbPicture(width(), height(), pixels()), orientation());
    }

    /** Of a decoder that writes RGB from the start. */
    record Rgb(int width, int height, int orientation, int frames, byte[] pixels) implements DecodedPicture {
        @Override
        public void row(int y, byte[] rgb, int at) {
            System.arraycopy(pixels, y * width * 3, rgb, at, width * 3);
        }
    }

    /** Of a decoder that converts when it is asked. */
    record ByRow(int width, int height, int orientation, int frames, Rows rows) implements DecodedPicture {
        @Override
        public void row(int y, byte[] rgb, int at) {
            rows.row(y, rgb, at);
        }
    }

    @FunctionalInterface
    interface Rows {
        void row(int y, byte[] rgb, int at);
    }
}
