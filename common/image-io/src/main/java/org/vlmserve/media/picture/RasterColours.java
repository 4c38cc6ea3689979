package org.vlmserve.media.picture;

import java.awt.color.ColorSpace;
import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.DataBuffer;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;

/** What Pillow's {@code convert("RGB")} makes of samples, read as they are stored and never through a colour profile. */
final class RasterColours {

    private RasterColours() {}

    /** [height, width, 3] */
    static byte[] rgb(PictureFile file, BufferedImage image) {
        int width = image.getWidth();
        int height = image.getHeight();
        Raster raster = image.getRaster();
        ColorModel model = image.getColorModel();
        int bands = raster.getNumBands();
        int type = raster.getTransferType();
        boolean wide = type == DataBuffer.TYPE_USHORT;
        if (!wide && type != DataBuffer.TYPE_BYTE && type != DataBuffer.TYPE_INT) {
            throw file.unsupported("samples that are no whole numbers of 8 or 16 bits");
        }
        int family = model.getColorSpace().getType();
        boolean grey = family == ColorSpace.TYPE_GRAY;
        boolean inks = family == ColorSpace.TYPE_CMYK;
        if (!(model instanceof IndexColorModel) && !grey && !inks && family != ColorSpace.TYPE_RGB) {
            throw file.unsupported("an unusual colour space");
        }
        byte[] out = new byte[width * height * 3];
        int[] row = new int[width * bands];
        for (int y = 0; y < height; y++) {
            raster.getPixels(0, y, width, 1, row);
            int o = y * width * 3;
            for (int x = 0, i = 0; x < width; x++, i += bands, o += 3) {
                if (model instanceof IndexColorModel palette) {
                    int colour = palette.getRGB(row[i]);
                    out[o] = (byte) (colour >> 16);
                    out[o + 1] = (byte) (colour >> 8);
                    out[o + 2] = (byte) colour;
                } else if (inks) {
                    int shift = wide ? 8 : 0;
                    ColourConversion.cmykToRgb(
                            row[i] >> shift, row[i + 1] >> shift, row[i + 2] >> shift, row[i + 3] >> shift, out, o);
                } else if (grey) {
                    // Grey of 16 bits is clipped, as Pillow does it; with alpha its high byte counts.
                    int value = wide && bands > 1 ? row[i] >> 8 : Math.min(row[i], 255);
                    out[o] = (byte) value;
                    out[o + 1] = (byte) value;
                    out[o + 2] = (byte) value;
                } else {
                    int shift = wide ? 8 : 0;
                    out[o] = (byte) (row[i] >> shift);
                    out[o + 1] = (byte) (row[i + 1] >> shift);
                    out[o + 2] = (byte) (row[i + 2] >> shift);
                }
            }
        }
        return out;
    }
}
