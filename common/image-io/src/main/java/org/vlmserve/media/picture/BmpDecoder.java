package org.vlmserve.media.picture;

import org.vlmserve.media.Orientation;

/** BMP: palettes, also run-length encoded, 16, 24 and 32 bits. */
final class BmpDecoder {

    private static final int RLE8 = 1;
    private static final int RLE4 = 2;
    private static final int BIT_FIELDS = 3;

    /** The first header whose masks include one for alpha. */
    private static final int HEADER_WITH_ALPHA = 56;

    private final PictureFile file;

    BmpDecoder(PictureFile file) {
        this.file = file;
    }

    DecodedPicture decode() {
        int data = file.i32le(10);
        int header = file.i32le(14);
        if (header != 12 && (header < 40 || header > 124)) {
            throw file.unsupported("a header of " + header + " bytes");
        }
        boolean old = header == 12;
        int width = old ? file.u16le(18) : file.i32le(18);
        int storedHeight = old ? file.u16le(20) : file.i32le(22);
        int bits = file.u16le(old ? 24 : 28);
        int compression = old ? 0 : file.i32le(30);
        boolean bottomUp = storedHeight > 0;
        int height = Math.abs(storedHeight);
        file.checkSize(width, height);
        if (bits != 1 && bits != 4 && bits != 8 && bits != 16 && bits != 24 && bits != 32) {
            throw file.unsupported(bits + " bits a pixel");
        }
        boolean runs = compression == RLE8 && bits == 8 || compression == RLE4 && bits == 4;
        boolean masked = compression == BIT_FIELDS && bits > 8;
        if (compression != 0 && !runs && !masked) {
            throw file.unsupported("compression " + compression + " of " + bits + " bits a pixel");
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
        if (runs) {
            byte[] indices = runs(data, width, height, bits);
            return picture(width, height, (y, rgb, at) -> {
                int row = (bottomUp ? height - 1 - y : y) * width;
                for (int x = 0, o = at; x < width; x++, o += 3) {
                    System.arraycopy(palette, (indices[row + x] & 0xff) * 3, rgb, o, 3);
                }
            });
        }
        int[] masks = bits == 16 ? new int[] {0x7c00, 0x03e0, 0x001f, 0} : new int[] {0xff0000, 0x00ff00, 0x0000ff, 0};
        if (masked) {
            masks = new int[] {
                file.i32le(54), file.i32le(58), file.i32le(62), header >= HEADER_WITH_ALPHA ? file.i32le(66) : 0
            };
        }
        int[] fields = masks;
        int stride = Math.toIntExact(((long) width * bits + 31) / 32 * 4);
        file.need(data, (long) stride * height);
        return picture(width, height, (y, rgb, at) -> {
            int row = data + (bottomUp ? height - 1 - y : y) * stride;
            if (bits <= 8) {
                paletted(row, width, bits, palette, rgb, at);
            } else if (bits == 24) {
                for (int x = 0, o = at; x < width; x++, o += 3) {
                    rgb[o] = (byte) file.u8(row + x * 3 + 2);
                    rgb[o + 1] = (byte) file.u8(row + x * 3 + 1);
                    rgb[o + 2] = (byte) file.u8(row + x * 3);
                }
            } else {
                masked(row, width, bits, fields, rgb, at);
            }
        });
    }

    private static DecodedPicture picture(int width, int height, DecodedPicture.Rows rows) {
        return new DecodedPicture.ByRow(width, height, Orientation.UPRIGHT, 1, rows);
    }

    private void paletted(int row, int width, int bits, byte[] palette, byte[] rgb, int at) {
        int perByte = 8 / bits;
        for (int x = 0, o = at; x < width; x++, o += 3) {
            int index = file.u8(row + x / perByte) >> (8 - bits - x % perByte * bits) & (1 << bits) - 1;
            System.arraycopy(palette, index * 3, rgb, o, 3);
        }
    }

    private void masked(int row, int width, int bits, int[] masks, byte[] rgb, int at) {
        for (int x = 0, o = at; x < width; x++, o += 3) {
            int value = bits == 16 ? file.u16le(row + x * 2) : file.i32le(row + x * 4);
            for (int channel = 0; channel < 3; channel++) {
                rgb[o + channel] = (byte) scaled(value, masks[channel]);
            }
            if (masks[3] != 0 && file.forViewer()) {
                ColourConversion.overWhite(rgb, o, scaled(value, masks[3]));
            }
        }
    }

    /** Indices [height, width], rows as stored. What no run reaches has index 0. */
    private byte[] runs(int start, int width, int height, int bits) {
        file.reserve((long) width * height);
        byte[] out = new byte[width * height];
        int at = start;
        int x = 0;
        int y = 0;
        while (y < height) {
            int count = file.u8(at);
            int value = file.u8(at + 1);
            at += 2;
            if (count > 0) {
                for (int i = 0; i < count && x < width; i++) {
                    out[y * width + x++] = index(value, i, bits);
                }
            } else if (value == 0) {
                x = 0;
                y++;
            } else if (value == 1) {
                return out;
            } else if (value == 2) {
                x = Math.min(width, x + file.u8(at));
                y += file.u8(at + 1);
                at += 2;
            } else {
                int bytes = (value * bits + 7) / 8;
                file.need(at, bytes);
                for (int i = 0; i < value && x < width; i++) {
                    out[y * width + x++] = index(file.u8(at + i * bits / 8), i, bits);
                }
                at += bytes + (bytes & 1);
            }
        }
        return out;
    }

    /** The {@code i}th pixel of a byte that holds one, or two in turn. */
    private static byte index(int value, int i, int bits) {
        return (byte) (bits == 8 ? value : i % 2 == 0 ? value >> 4 : value & 15);
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
