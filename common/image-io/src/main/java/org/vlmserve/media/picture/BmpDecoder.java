package org.vlmserve.media.picture;

import org.vlmserve.media.RgbPicture;

/** BMP without compression: palettes, 16, 24 and 32 bits. */
final class BmpDecoder {

    private static final int BIT_FIELDS = 3;

    private final PictureFile file;

    BmpDecoder(PictureFile file) {
        this.file = file;
    }

    RgbPicture decode() {
        int data = file.i32le(10);
        int header = file.i32le(14);
        boolean old = header == 12;
        int width = old ? file.u16le(18) : file.i32le(18);
        int storedHeight = old ? file.u16le(20) : file.i32le(22);
        int bits = file.u16le(old ? 24 : 28);
        int compression = old ? 0 : file.i32le(30);
        boolean bottomUp = storedHeight > 0;
        int height = Math.abs(storedHeight);
        file.checkSize(width, height);
        if (compression != 0 && compression != BIT_FIELDS) {
            throw file.unsupported("compression " + compression);
        }
        byte[] palette = PngDecoder.greyRamp();
        if (bits <= 8) {
            int entry = old ? 3 : 4;
            int given = old ? 0 : file.i32le(46);
            int colours = given <= 0 || given > 256 ? 1 << bits : given;
            for (int i = 0, at = 14 + header; i < colours && at + entry <= data; i++, at += entry) {
                palette[i * 3] = (byte) file.u8(at + 2);
                palette[i * 3 + 1] = (byte) file.u8(at + 1);
                palette[i * 3 + 2] = (byte) file.u8(at);
            }
        }
        int[] masks = {0x7c00, 0x03e0, 0x001f};
        if (bits == 32) {
            masks = new int[] {0xff0000, 0x00ff00, 0x0000ff};
        }
        if (compression == BIT_FIELDS) {
            masks = new int[] {file.i32le(54), file.i32le(58), file.i32le(62)};
        }
        if (bits != 1 && bits != 4 && bits != 8 && bits != 16 && bits != 24 && bits != 32) {
            throw file.unsupported(bits + " bits a pixel");
        }
        int stride = Math.toIntExact(((long) width * bits + 31) / 32 * 4);
        file.need(data, Math.multiplyExact(stride, height));
        byte[] pixels = new byte[width * height * 3];
        for (int y = 0; y < height; y++) {
            int row = data + (bottomUp ? height - 1 - y : y) * stride;
            int o = y * width * 3;
            for (int x = 0; x < width; x++, o += 3) {
                if (bits <= 8) {
                    int perByte = 8 / bits;
                    int index = file.u8(row + x / perByte) >> (8 - bits - x % perByte * bits) & (1 << bits) - 1;
                    System.arraycopy(palette, index * 3, pixels, o, 3);
                } else if (bits == 24) {
                    pixels[o] = (byte) file.u8(row + x * 3 + 2);
                    pixels[o + 1] = (byte) file.u8(row + x * 3 + 1);
                    pixels[o + 2] = (byte) file.u8(row + x * 3);
                } else {
                    int value = bits == 16 ? file.u16le(row + x * 2) : file.i32le(row + x * 4);
                    for (int channel = 0; channel < 3; channel++) {
                        pixels[o + channel] = (byte) scaled(value, masks[channel]);
                    }
                }
            }
        }
        return new RgbPicture(width, height, pixels);
    }

    /** A field of a few bits, stretched to 0 … 255. */
    private static int scaled(int value, int mask) {
        if (mask == 0) {
            return 0;
        }
        int shift = Integer.numberOfTrailingZeros(mask);
        int most = mask >>> shift;
        return (int) (((long) ((value & mask) >>> shift)) * 255 / most);
    }
}
