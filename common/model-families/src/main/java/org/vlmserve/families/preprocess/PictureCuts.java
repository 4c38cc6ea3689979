package org.vlmserve.families.preprocess;

import org.vlmserve.media.RgbPicture;

/**
 * Cropping and padding of 8-bit pictures, as transformers' picture processors do it (5.18, {@code image_transforms.py}).
 */
public final class PictureCuts {

    private static final int CHANNELS = 3;

    private PictureCuts() {}

    /**
     * The size that a picture has when its shorter side becomes {@code edge}; the other is floored. Follows
     * {@code get_resize_output_image_size}.
     *
     * @return width and height, which may be more than any array holds
     */
    public static long[] shortestEdge(int width, int height, int edge) {
        long shorter = Math.min(width, height);
        long longer = (long) ((double) ((long) edge * Math.max(width, height)) / shorter);
        return width <= height ? new long[] {edge, longer} : new long[] {longer, edge};
    }

    /**
     * Resizes so that the shorter side becomes {@code edge}, and cuts the middle out; where the resized picture is smaller
     * than that, it stands in the middle of black. Only what remains is computed. Follows {@code center_crop}.
     */
    public static RgbPicture resizeAndCrop(RgbPicture picture, int edge, int cropWidth, int cropHeight) {
        long[] size = shortestEdge(picture.width(), picture.height(), edge);
        return cropResized(picture, size[0], size[1], cropWidth, cropHeight);
    }

    /** Cuts the middle out of the picture as it would be at {@code width} × {@code height}. */
    public static RgbPicture cropResized(RgbPicture picture, long width, long height, int cropWidth, int cropHeight) {
        Span across = Span.of(width, cropWidth);
        Span down = Span.of(height, cropHeight);
        RgbPicture part = BicubicResizer.resize(
                picture, width, height, across.from(), down.from(), across.length(), down.length());
        if (across.length() == cropWidth && down.length() == cropHeight) {
            return part;
        }
        return pad(part, across.pad(), down.pad(), cropWidth, cropHeight);
    }

    /**
     * What of a side remains.
     *
     * @param from first pixel of the resized picture
     * @param pad black pixels before it
     */
    private record Span(long from, int length, int pad) {

        static Span of(long size, int crop) {
            // Python's floor division, also for a picture that is smaller than the crop; the padding is rounded up.
            long from = Math.floorDiv(size - crop, 2);
            if (from >= 0) {
                return new Span(from, crop, 0);
            }
            int length = (int) size;
            int before = Math.ceilDiv(crop - length, 2);
            return new Span(0, length, before);
        }
    }

    /** The picture at ({@code left}, {@code top}) of a black canvas that holds it. */
    public static RgbPicture pad(RgbPicture picture, int left, int top, int width, int height) {
        return paste(
                picture,
                new RgbPicture(width, height, new byte[Math.multiplyExact(width * height, CHANNELS)]),
                left,
                top);
    }

    /**
     * Pads to a square as large as the longer side, the picture in the middle, an odd pixel behind it: the processors'
     * {@code pad_to_square}.
     *
     * @param background [3], 0 … 255
     */
    public static RgbPicture padToSquare(RgbPicture picture, int[] background) {
        int width = picture.width();
        int height = picture.height();
        if (width == height) {
            return picture;
        }
        int side = Math.max(width, height);
        byte[] pixels = new byte[Math.multiplyExact(Math.multiplyExact(side, side), CHANNELS)];
        for (int i = 0; i < pixels.length; i++) {
            pixels[i] = (byte) background[i % CHANNELS];
        }
        return paste(picture, new RgbPicture(side, side, pixels), (side - width) / 2, (side - height) / 2);
    }

    private static RgbPicture paste(RgbPicture picture, RgbPicture canvas, int left, int top) {
        int row = picture.width() * CHANNELS;
        for (int y = 0; y < picture.height(); y++) {
            System.arraycopy(
                    picture.pixels(), y * row, canvas.pixels(), ((top + y) * canvas.width() + left) * CHANNELS, row);
        }
        return canvas;
    }

    /** A part of a picture. */
    public static RgbPicture cut(RgbPicture picture, int left, int top, int width, int height) {
        byte[] pixels = new byte[Math.multiplyExact(width * height, CHANNELS)];
        int row = width * CHANNELS;
        for (int y = 0; y < height; y++) {
            System.arraycopy(picture.pixels(), ((top + y) * picture.width() + left) * CHANNELS, pixels, y * row, row);
        }
        return new RgbPicture(width, height, pixels);
    }
}
