package org.vlmserve.media.picture;

/** libjpeg's and Pillow's integer conversions of three or four 8-bit components into RGB. */
final class ColourConversion {

    private static final int HALF = 1 << 15;

    private ColourConversion() {}

    /** libjpeg's fixed-point conversion ({@code jdcolor.c}), in place on [pixels, 3]. */
    static void yccToRgb(byte[] pixels) {
        for (int i = 0; i < pixels.length; i += 3) {
            int y = pixels[i] & 0xff;
            int cb = (pixels[i + 1] & 0xff) - 128;
            int cr = (pixels[i + 2] & 0xff) - 128;
            pixels[i] = clip(y + (91881 * cr + HALF >> 16));
            pixels[i + 1] = clip(y + (-22554 * cb + HALF - 46802 * cr >> 16));
            pixels[i + 2] = clip(y + (116130 * cb + HALF >> 16));
        }
    }

    /** Pillow's conversion ({@code Convert.c}) of one pixel of ink amounts, 255 for full ink. */
    static void cmykToRgb(int c, int m, int y, int k, byte[] out, int at) {
        int paper = 255 - k;
        out[at] = clip(paper - scaled(c, paper));
        out[at + 1] = clip(paper - scaled(m, paper));
        out[at + 2] = clip(paper - scaled(y, paper));
    }

    /** Puts a pixel over white paper in place, in Pillow's rounding ({@code ImagingUtils.h}, {@code BLEND}). */
    static void overWhite(byte[] rgb, int at, int alpha) {
        if (alpha == 255) {
            return;
        }
        for (int i = at; i < at + 3; i++) {
            int blended = 255 * (255 - alpha) + (rgb[i] & 0xff) * alpha + 128;
            rgb[i] = (byte) ((blended >> 8) + blended >> 8);
        }
    }

    private static int scaled(int a, int b) {
        int product = a * b + 128;
        return (product >> 8) + product >> 8;
    }

    static byte clip(int value) {
        return (byte) Math.clamp(value, 0, 255);
    }
}
