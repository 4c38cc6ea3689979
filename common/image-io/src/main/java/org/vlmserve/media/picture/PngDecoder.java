package org.vlmserve.media.picture;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.zip.CRC32;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import org.jspecify.annotations.Nullable;
import org.vlmserve.media.Orientation;

/** PNG (ISO/IEC 15948): every colour type and depth, interlaced or not, inflated row by row. */
final class PngDecoder {

    private static final int GREY = 0;
    private static final int RGB = 2;
    private static final int PALETTE = 3;
    private static final int GREY_ALPHA = 4;
    private static final int RGB_ALPHA = 6;

    /** The seven passes of Adam7: first column and row, steps across and down. */
    private static final int[][] ADAM7 = {
        {0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}
    };

    private static final String XMP_KEY = "XML:com.adobe.xmp";
    private static final String EXIF_KEY = "Raw profile type exif";

    /** Compressed texts that are looked into; more than one of a kind says nothing. */
    private static final int MOST_INFLATED_TEXTS = 8;

    private static final int[][] PROGRESSIVE = {{0, 0, 1, 1}};

    private final PictureFile file;
    private final byte[] palette = greyRamp();
    private int width;
    private int height;
    private int depth;
    private int colour;
    private boolean interlaced;
    private int frames = 1;
    private int inflatedTexts;
    /** Alpha by palette index, and the sample values that are wholly transparent; null where the file has none. */
    private byte @Nullable [] paletteAlpha;

    private int @Nullable [] transparent;
    private byte @Nullable [] exif;
    private byte @Nullable [] xmp;

    PngDecoder(PictureFile file) {
        this.file = file;
    }

    /** What a palette holds where a file gives no colour: Pillow starts from greys. */
    static byte[] greyRamp() {
        byte[] ramp = new byte[256 * 3];
        for (int i = 0; i < ramp.length; i++) {
            ramp[i] = (byte) (i / 3);
        }
        return ramp;
    }

    DecodedPicture decode() {
        Inflater inflater = new Inflater();
        byte @Nullable [] pixels = null;
        Rows rows = null;
        int at = 8;
        try {
            // What follows the last row is looked through for EXIF only, and may be cut off.
            while (rows == null || !rows.complete() || at + 12 <= file.length()) {
                int length = file.i32be(at);
                int data = at + 8;
                if (length < 0 || rows == null || !rows.complete()) {
                    file.need(data, Math.max(length, 0));
                }
                if (length < 0 || length > file.length() - data) {
                    break;
                }
                if (file.has(at + 4, "IHDR")) {
                    header(data);
                    checkCrc(at + 4, length);
                    if (rows != null) {
                        throw file.unreadable("it has two headers", null);
                    }
                    file.reserve(3L * width * height);
                    pixels = new byte[width * height * 3];
                    rows = new Rows(pixels);
                } else if (rows == null) {
                    throw file.unreadable("it does not begin with its header", null);
                } else if (file.has(at + 4, "PLTE")) {
                    checkCrc(at + 4, length);
                    System.arraycopy(file.array(), data, palette, 0, Math.min(length, palette.length));
                } else if (file.has(at + 4, "tRNS")) {
                    transparency(data, length);
                } else if (file.has(at + 4, "acTL") && length >= 8) {
                    frames = Math.max(1, file.i32be(data));
                } else if (file.has(at + 4, "IDAT")) {
                    inflater.setInput(file.array(), data, length);
                    rows.read(inflater);
                } else if (file.has(at + 4, "IEND")) {
                    break;
                } else if (file.has(at + 4, "eXIf")) {
                    exif = file.slice(data, length);
                } else if (file.has(at + 4, "tEXt") || file.has(at + 4, "zTXt") || file.has(at + 4, "iTXt")) {
                    text(data, length, (char) file.u8(at + 4));
                }
                at = data + length + 4;
            }
        } finally {
            inflater.end();
        }
        if (rows == null || pixels == null || !rows.complete()) {
            throw file.unreadable("it ends before its last row", null);
        }
        return new DecodedPicture.Rgb(width, height, Orientation.of(exif, xmp), frames, pixels);
    }

    private void header(int at) {
        file.need(at, 13);
        width = file.i32be(at);
        height = file.i32be(at + 4);
        depth = file.u8(at + 8);
        colour = file.u8(at + 9);
        interlaced = file.u8(at + 12) == 1;
        boolean known = switch (colour) {
            case GREY -> depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16;
            case PALETTE -> depth == 1 || depth == 2 || depth == 4 || depth == 8;
            case RGB, GREY_ALPHA, RGB_ALPHA -> depth == 8 || depth == 16;
            default -> false;
        };
        if (!known || file.u8(at + 10) != 0 || file.u8(at + 11) != 0 || file.u8(at + 12) > 1) {
            throw file.unreadable("its header says colour type " + colour + " with " + depth + " bits", null);
        }
        file.checkSize(width, height);
    }

    private void checkCrc(int at, int length) {
        CRC32 crc = new CRC32();
        crc.update(file.array(), at, length + 4);
        if ((int) crc.getValue() != file.i32be(at + length + 4)) {
            throw file.unreadable("a checksum is wrong", null);
        }
    }

    /** What a viewer makes of samples without an alpha of their own. */
    private void transparency(int at, int length) {
        if (!file.forViewer()) {
            return;
        }
        if (colour == PALETTE) {
            paletteAlpha = new byte[256];
            Arrays.fill(paletteAlpha, (byte) 255);
            System.arraycopy(file.array(), at, paletteAlpha, 0, Math.min(length, 256));
        } else if (colour == GREY && length >= 2) {
            transparent = new int[] {file.u16be(at)};
        } else if (colour == RGB && length >= 6) {
            transparent = new int[] {file.u16be(at), file.u16be(at + 2), file.u16be(at + 4)};
        }
    }

    /** EXIF and XMP may stand in text chunks too. */
    private void text(int at, int length, char kind) {
        if (!file.has(at, XMP_KEY) && !file.has(at, EXIF_KEY)) {
            return;
        }
        byte[] chunk = file.slice(at, length);
        int end = 0;
        while (end < chunk.length && chunk[end] != 0) {
            end++;
        }
        String key = new String(chunk, 0, end, StandardCharsets.ISO_8859_1);
        boolean isXmp = key.equals(XMP_KEY);
        if (!isXmp && !key.equals(EXIF_KEY)) {
            return;
        }
        int start = end + 1;
        boolean compressed = kind == 'z';
        if (kind == 'z') {
            start++;
        } else if (kind == 'i') {
            compressed = start < chunk.length && chunk[start] == 1;
            start += 2;
            for (int zeros = 0; start < chunk.length && zeros < 2; start++) {
                zeros += chunk[start] == 0 ? 1 : 0;
            }
        }
        if (start >= chunk.length) {
            return;
        }
        byte[] value = new byte[chunk.length - start];
        System.arraycopy(chunk, start, value, 0, value.length);
        if (compressed) {
            if (++inflatedTexts > MOST_INFLATED_TEXTS) {
                return;
            }
            value = inflated(value);
        }
        if (isXmp) {
            xmp = value;
        } else if (exif == null) {
            exif = rawProfile(new String(value, StandardCharsets.ISO_8859_1));
        }
    }

    private static byte[] inflated(byte[] compressed) {
        Inflater inflater = new Inflater();
        try {
            inflater.setInput(compressed);
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            byte[] buffer = new byte[8192];
            for (int n = inflater.inflate(buffer); n > 0 && out.size() < 1 << 20; n = inflater.inflate(buffer)) {
                out.write(buffer, 0, n);
            }
            return out.toByteArray();
        } catch (DataFormatException e) {
            // A broken comment says nothing about the pixels; Pillow drops it too.
            return new byte[0];
        } finally {
            inflater.end();
        }
    }

    /** ImageMagick's form: an empty line, a name, a length, then hexadecimal lines. */
    private static byte @Nullable [] rawProfile(String text) {
        String[] lines = text.split("\n", 4);
        String digits = lines.length < 4 ? "" : lines[3].replaceAll("\\s", "");
        return digits.length() % 2 == 0 && digits.matches("[0-9a-fA-F]+")
                ? HexFormat.of().parseHex(digits)
                : null;
    }

    /** Takes inflated bytes, row by row, pass by pass, and writes RGB where they belong. */
    private final class Rows {

        private final byte[] pixels;
        private final int[][] passes = interlaced ? ADAM7 : PROGRESSIVE;
        private final int samples = switch (colour) {
            case GREY, PALETTE -> 1;
            case GREY_ALPHA -> 2;
            case RGB -> 3;
            default -> 4;
        };
        /** Bytes from one pixel to the same sample of the next, as the filters count. */
        private final int step = Math.max(1, samples * depth / 8);

        private int pass = -1;
        private int y;
        private int columns;
        private int filled;
        private byte[] row = new byte[0];
        private byte[] previous = new byte[0];

        Rows(byte[] pixels) {
            this.pixels = pixels;
            nextPass();
        }

        boolean complete() {
            return pass == passes.length;
        }

        private void nextPass() {
            while (++pass < passes.length) {
                int[] p = passes[pass];
                columns = (width - p[0] + p[2] - 1) / p[2];
                if (columns > 0 && p[1] < height) {
                    long length = 1 + ((long) columns * samples * depth + 7) / 8;
                    if (length > row.length) {
                        file.reserve(2 * (length - row.length));
                    }
                    row = new byte[Math.toIntExact(length)];
                    previous = new byte[row.length];
                    y = p[1];
                    filled = 0;
                    return;
                }
            }
        }

        void read(Inflater inflater) {
            try {
                while (!complete()) {
                    int n = inflater.inflate(row, filled, row.length - filled);
                    if (n == 0) {
                        if (inflater.needsDictionary() || inflater.finished()) {
                            throw file.unreadable("its data end before its last row", null);
                        }
                        return;
                    }
                    filled += n;
                    if (filled == row.length) {
                        file.progress();
                        unfilter();
                        write();
                        byte[] done = row;
                        row = previous;
                        previous = done;
                        filled = 0;
                        y += passes[pass][3];
                        if (y >= height) {
                            nextPass();
                        }
                    }
                }
            } catch (DataFormatException e) {
                throw file.unreadable("its data are broken: " + e.getMessage(), e);
            }
        }

        private void unfilter() {
            int length = row.length;
            switch (row[0]) {
                case 0 -> {}
                case 1 -> {
                    for (int i = 1 + step; i < length; i++) {
                        row[i] += row[i - step];
                    }
                }
                case 2 -> {
                    for (int i = 1; i < length; i++) {
                        row[i] += previous[i];
                    }
                }
                case 3 -> {
                    for (int i = 1; i < length; i++) {
                        int left = i > step ? row[i - step] & 0xff : 0;
                        row[i] += (byte) (left + (previous[i] & 0xff) >> 1);
                    }
                }
                case 4 -> {
                    for (int i = 1; i < length; i++) {
                        int a = i > step ? row[i - step] & 0xff : 0;
                        int b = previous[i] & 0xff;
                        int c = i > step ? previous[i - step] & 0xff : 0;
                        int pa = Math.abs(b - c);
                        int pb = Math.abs(a - c);
                        int pc = Math.abs(a + b - 2 * c);
                        row[i] += (byte) (pa <= pb && pa <= pc ? a : pb <= pc ? b : c);
                    }
                }
                default -> throw file.unreadable("a row has the unknown filter " + row[0], null);
            }
        }

        private void write() {
            int[] p = passes[pass];
            int out = (y * width + p[0]) * 3;
            int stride = p[2] * 3;
            for (int x = 0; x < columns; x++, out += stride) {
                if (samples >= 3) {
                    int in = 1 + x * step;
                    int wide = depth / 8;
                    pixels[out] = row[in];
                    pixels[out + 1] = row[in + wide];
                    pixels[out + 2] = row[in + 2 * wide];
                } else if (colour == PALETTE) {
                    System.arraycopy(palette, packed(x) * 3, pixels, out, 3);
                } else {
                    byte value = (byte) grey(x);
                    pixels[out] = value;
                    pixels[out + 1] = value;
                    pixels[out + 2] = value;
                }
                if (file.forViewer()) {
                    ColourConversion.overWhite(pixels, out, alpha(x));
                }
            }
        }

        /** From 0 to 255. */
        private int alpha(int x) {
            if (samples == 2 || samples == 4) {
                return row[1 + x * step + (samples - 1) * depth / 8] & 0xff;
            }
            if (paletteAlpha != null) {
                return paletteAlpha[packed(x)] & 0xff;
            }
            if (transparent == null) {
                return 255;
            }
            for (int sample = 0; sample < samples; sample++) {
                int in = 1 + x * step + sample * depth / 8;
                int value = depth == 16 ? (row[in] & 0xff) << 8 | row[in + 1] & 0xff : packed(x * samples + sample);
                if (value != transparent[sample]) {
                    return 255;
                }
            }
            return 0;
        }

        /** From 0 to 255. */
        private int grey(int x) {
            if (depth == 16) {
                int high = row[1 + x * step] & 0xff;
                // The reference clips grey alone; with alpha, as for colours, the high byte counts.
                if (colour == GREY_ALPHA || file.forViewer()) {
                    return high;
                }
                return high == 0 ? row[2 + x * step] & 0xff : 255;
            }
            return depth == 8 ? row[1 + x * samples] & 0xff : packed(x) * 255 / ((1 << depth) - 1);
        }

        /** The row's sample {@code index}, of at most 8 bits. */
        private int packed(int index) {
            if (depth == 8) {
                return row[1 + index] & 0xff;
            }
            int perByte = 8 / depth;
            return (row[1 + index / perByte] & 0xff) >> (8 - depth - index % perByte * depth) & (1 << depth) - 1;
        }
    }
}
