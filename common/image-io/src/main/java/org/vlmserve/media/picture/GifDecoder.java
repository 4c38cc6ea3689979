package org.vlmserve.media.picture;

import org.vlmserve.media.Orientation;
import org.vlmserve.protocol.error.VlmException;

/** GIF: the first frame on its canvas. */
final class GifDecoder {

    private static final int LARGEST_CODE = 4096;

    private final PictureFile file;

    GifDecoder(PictureFile file) {
        this.file = file;
    }

    DecodedPicture decode() {
        int width = file.u16le(6);
        int height = file.u16le(8);
        byte[] palette = PngDecoder.greyRamp();
        int at = 13;
        if ((file.u8(10) & 0x80) != 0) {
            at = readPalette(palette, at, file.u8(10));
        }
        int transparent = -1;
        while (true) {
            int kind = file.u8(at++);
            if (kind == '!') {
                int label = file.u8(at++);
                if (label == 0xf9 && file.u8(at) >= 4 && (file.u8(at + 1) & 1) != 0) {
                    transparent = file.u8(at + 4);
                }
                at = skipBlocks(at);
            } else if (kind == ',') {
                break;
            } else if (kind == ';') {
                throw file.unreadable("it holds no frame", null);
            }
        }
        int left = file.u16le(at);
        int top = file.u16le(at + 2);
        int frameWidth = file.u16le(at + 4);
        int frameHeight = file.u16le(at + 6);
        int flags = file.u8(at + 8);
        width = Math.max(width, left + frameWidth);
        height = Math.max(height, top + frameHeight);
        file.checkSize(width, height);
        at += 9;
        if ((flags & 0x80) != 0) {
            palette = PngDecoder.greyRamp();
            at = readPalette(palette, at, flags);
        }
        byte[] colours = palette;
        byte[] background = {(byte) 255, (byte) 255, (byte) 255};
        if (file.forViewer()) {
            if (transparent >= 0) {
                System.arraycopy(background, 0, colours, transparent * 3, 3);
            }
        } else {
            // The reference keeps the colour of the transparent index, also where there is no frame.
            System.arraycopy(colours, Math.max(transparent, 0) * 3, background, 0, 3);
        }
        file.reserve(3L * width * height + frameWidth);
        byte[] pixels = new byte[width * height * 3];
        if (frameWidth < width || frameHeight < height) {
            for (int i = 0; i < pixels.length; i++) {
                pixels[i] = background[i % 3];
            }
        }
        int[] order = rowOrder(frameHeight, (flags & 0x40) != 0);
        int canvasWidth = width;
        decompress(at, frameWidth, frameHeight, (row, indices) -> {
            file.progress();
            int o = ((top + order[row]) * canvasWidth + left) * 3;
            for (int x = 0; x < frameWidth; x++, o += 3) {
                System.arraycopy(colours, (indices[x] & 0xff) * 3, pixels, o, 3);
            }
        });
        return new DecodedPicture.Rgb(width, height, Orientation.UPRIGHT, 1 + furtherFrames(at), pixels);
    }

    /** Where the stored rows belong. */
    private static int[] rowOrder(int height, boolean interlaced) {
        int[] order = new int[height];
        int row = 0;
        for (int[] pass : interlaced ? new int[][] {{0, 8}, {4, 8}, {2, 4}, {1, 2}} : new int[][] {{0, 1}}) {
            for (int y = pass[0]; y < height; y += pass[1]) {
                order[row++] = y;
            }
        }
        return order;
    }

    /**
     * How many frames follow the first, as far as the file goes.
     *
     * @param data of the first frame
     */
    private int furtherFrames(int data) {
        int frames = 0;
        try {
            int at = skipBlocks(data + 1);
            while (at < file.length() && file.u8(at) != ';') {
                if (file.u8(at) == '!') {
                    at = skipBlocks(at + 2);
                } else if (file.u8(at) == ',') {
                    int flags = file.u8(at + 9);
                    at = skipBlocks(at + 11 + ((flags & 0x80) != 0 ? 3 << ((flags & 7) + 1) : 0));
                    frames++;
                } else {
                    at++;
                }
            }
        } catch (VlmException e) {
            // What follows a whole frame may be cut off.
            return frames;
        }
        return frames;
    }

    @FunctionalInterface
    private interface IndexRow {
        void accept(int row, byte[] indices);
    }

    private int readPalette(byte[] palette, int at, int flags) {
        int length = 3 << ((flags & 7) + 1);
        file.need(at, length);
        System.arraycopy(file.array(), at, palette, 0, length);
        return at + length;
    }

    private int skipBlocks(int at) {
        int next = at;
        while (file.u8(next) != 0) {
            next += 1 + file.u8(next);
        }
        return next + 1;
    }

    /** LZW with codes of growing width, least significant bit first, in blocks of at most 255 bytes. */
    private void decompress(int start, int width, int height, IndexRow rows) {
        byte[] out = new byte[width];
        int rowsLeft = height;
        int at = start;
        int minimum = file.u8(at++);
        if (minimum < 1 || minimum > 11) {
            throw file.unreadable("its codes have " + minimum + " bits", null);
        }
        int clear = 1 << minimum;
        int end = clear + 1;
        int[] prefix = new int[LARGEST_CODE];
        byte[] suffix = new byte[LARGEST_CODE];
        byte[] reversed = new byte[LARGEST_CODE + 1];
        for (int i = 0; i < clear; i++) {
            suffix[i] = (byte) i;
        }
        int bits = minimum + 1;
        int next = end + 1;
        int previous = -1;
        int first = 0;
        int buffer = 0;
        int buffered = 0;
        int block = 0;
        int o = 0;
        while (rowsLeft > 0 && width > 0) {
            while (buffered < bits) {
                if (block == 0) {
                    block = file.u8(at++);
                    if (block == 0) {
                        throw file.unreadable("its data end before its last row", null);
                    }
                }
                buffer |= file.u8(at++) << buffered;
                buffered += 8;
                block--;
            }
            int code = buffer & (1 << bits) - 1;
            buffer >>>= bits;
            buffered -= bits;
            if (code == clear) {
                bits = minimum + 1;
                next = end + 1;
                previous = -1;
                continue;
            }
            if (code == end) {
                throw file.unreadable("its data end before its last row", null);
            }
            if (code > next || code == next && previous < 0 || previous < 0 && code >= clear) {
                throw file.unreadable("its data are broken", null);
            }
            int depth = 0;
            int walk = code;
            if (code == next) {
                reversed[depth++] = (byte) first;
                walk = previous;
            }
            while (walk >= clear) {
                reversed[depth++] = suffix[walk];
                walk = prefix[walk];
            }
            first = walk;
            reversed[depth++] = (byte) walk;
            while (depth > 0 && rowsLeft > 0) {
                out[o++] = reversed[--depth];
                if (o == width) {
                    rows.accept(height - rowsLeft, out);
                    rowsLeft--;
                    o = 0;
                }
            }
            if (previous >= 0 && next < LARGEST_CODE) {
                prefix[next] = previous;
                suffix[next] = (byte) first;
                next++;
                if (next == 1 << bits && bits < 12) {
                    bits++;
                }
            }
            previous = code;
        }
    }
}
