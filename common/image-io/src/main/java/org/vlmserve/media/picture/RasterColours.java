package org.vlmserve.media.picture;

import java.awt.color.ColorSpace;
import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.DataBuffer;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;

/**
 * An image's rows as Pillow's {@code convert("RGB")} makes them, from samples as they are stored and never through a colour
 * profile.
 */
final class RasterColours implements DecodedPicture.Rows {

    /** What the sample behind the colours means. */
    enum Alpha {
        NONE,
        /** The colours are multiplied with it. */
        MULTIPLIED,
        APART
    }

    private final PictureFile file;
    private final Raster raster;
    private final ColorModel model;
    private final Alpha alpha;
    private final boolean wide;
    private final boolean grey;
    private final boolean inks;
    private final int bands;
    private final int[] samples;

    RasterColours(PictureFile file, BufferedImage image, Alpha alpha) {
        this.file = file;
        raster = image.getRaster();
        model = image.getColorModel();
        bands = raster.getNumBands();
        int type = raster.getTransferType();
        wide = type == DataBuffer.TYPE_USHORT;
        if (!wide && type != DataBuffer.TYPE_BYTE && type != DataBuffer.TYPE_INT) {
            throw file.unsupported("samples that are no whole numbers of 8 or 16 bits");
        }
        int family = model.getColorSpace().getType();
        grey = family == ColorSpace.TYPE_GRAY;
        inks = family == ColorSpace.TYPE_CMYK;
        if (!(model instanceof IndexColorModel) && !grey && !inks && family != ColorSpace.TYPE_RGB) {
            throw file.unsupported("an unusual colour space");
        }
        boolean behind = !(model instanceof IndexColorModel) && !inks && (bands == 2 || bands == 4);
        this.alpha = file.forViewer() && behind ? alpha : Alpha.NONE;
        samples = new int[image.getWidth() * bands];
    }

    @Override
    public void row(int y, byte[] rgb, int at) {
        int width = raster.getWidth();
        raster.getPixels(raster.getMinX(), raster.getMinY() + y, width, 1, samples);
        int shift = wide ? 8 : 0;
        for (int x = 0, i = 0, o = at; x < width; x++, i += bands, o += 3) {
            if (model instanceof IndexColorModel palette) {
                int colour = palette.getRGB(samples[i]);
                rgb[o] = (byte) (colour >> 16);
                rgb[o + 1] = (byte) (colour >> 8);
                rgb[o + 2] = (byte) colour;
            } else if (inks) {
                ColourConversion.cmykToRgb(
                        samples[i] >> shift,
                        samples[i + 1] >> shift,
                        samples[i + 2] >> shift,
                        samples[i + 3] >> shift,
                        rgb,
                        o);
            } else if (grey) {
                // The reference clips grey of 16 bits; with alpha its high byte counts.
                boolean scaled = wide && (bands > 1 || file.forViewer());
                int value = scaled ? samples[i] >> 8 : Math.min(samples[i], 255);
                rgb[o] = (byte) value;
                rgb[o + 1] = (byte) value;
                rgb[o + 2] = (byte) value;
            } else {
                rgb[o] = (byte) (samples[i] >> shift);
                rgb[o + 1] = (byte) (samples[i + 1] >> shift);
                rgb[o + 2] = (byte) (samples[i + 2] >> shift);
            }
            if (alpha != Alpha.NONE) {
                overWhite(rgb, o, samples[i + bands - 1] >> shift);
            }
        }
    }

    private void overWhite(byte[] rgb, int at, int opacity) {
        if (alpha == Alpha.APART) {
            ColourConversion.overWhite(rgb, at, opacity);
        } else {
            for (int i = at; i < at + 3; i++) {
                rgb[i] = ColourConversion.clip((rgb[i] & 0xff) + 255 - opacity);
            }
        }
    }
}
