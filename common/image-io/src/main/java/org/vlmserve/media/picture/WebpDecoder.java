package org.vlmserve.media.picture;

import com.twelvemonkeys.imageio.plugins.webp.WebPImageReaderSpi;
import java.awt.image.BufferedImage;
import java.awt.image.Raster;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;
import org.jspecify.annotations.Nullable;
import org.vlmserve.media.Orientation;
import org.vlmserve.protocol.error.VlmException;

/**
 * WebP. The bitstream of the first frame is taken out of its container and decoded alone, so that neither a colour profile
 * nor an animation touches its colours.
 */
final class WebpDecoder {

    private final PictureFile file;
    private byte @Nullable [] exif;
    private byte @Nullable [] xmp;
    private int canvasWidth;
    private int canvasHeight;
    private int left;
    private int top;
    /** Where the bitstream's chunk begins, or 0 before one is found. */
    private int bitstream;
    /** Where the chunk of the bitstream's alpha begins, or 0. */
    private int alpha;

    private int frames;

    WebpDecoder(PictureFile file) {
        this.file = file;
    }

    DecodedPicture decode() {
        int size = file.i32le(4);
        file.need(8, size);
        chunks(12, 8 + size, false);
        if (bitstream == 0) {
            throw file.unreadable("it holds no picture", null);
        }
        int length = file.i32le(bitstream + 4);
        int data = bitstream + 8;
        int width;
        int height;
        if (file.has(bitstream, "VP8L")) {
            if (file.u8(data) != 0x2f) {
                throw file.unreadable("its bitstream has no signature", null);
            }
            int bits = file.i32le(data + 1);
            width = (bits & 0x3fff) + 1;
            height = (bits >>> 14 & 0x3fff) + 1;
        } else {
            if (!file.has(data + 3, "\u009d\u0001*")) {
                throw file.unreadable("its bitstream does not begin with a key frame", null);
            }
            width = file.u16le(data + 6) & 0x3fff;
            height = file.u16le(data + 8) & 0x3fff;
        }
        file.checkSize(width, height);
        if (canvasWidth == 0) {
            canvasWidth = width;
            canvasHeight = height;
        }
        file.checkSize(canvasWidth, canvasHeight);
        if (left + width > canvasWidth || top + height > canvasHeight) {
            throw file.unreadable("its frame is larger than its canvas", null);
        }
        boolean lossless = file.has(bitstream, "VP8L");
        boolean layered = file.forViewer() && (lossless || alpha != 0);
        // What the decoder holds: its own image, our planes and the RGB that is made of them, alpha.
        file.reserve((long) width * height * (lossless ? 8 : layered ? 12 : 5) + 3L * canvasWidth * canvasHeight);
        byte[] frame = decodeBitstream(file.slice(bitstream, 8 + length), lossless, width, height);
        return new DecodedPicture.Rgb(
                canvasWidth,
                canvasHeight,
                Orientation.of(exif, xmp),
                Math.max(1, frames),
                onCanvas(frame, width, height));
    }

    /** @param nested whether these are a frame's, in which there is no other */
    private void chunks(int from, int end, boolean nested) {
        for (int at = from; at + 8 <= end; ) {
            int length = file.i32le(at + 4);
            file.need(at + 8, length);
            if (length > end - at - 8) {
                throw file.unreadable("a chunk is larger than what holds it", null);
            }
            if (file.has(at, "VP8X") && length >= 10) {
                canvasWidth = file.u24le(at + 12) + 1;
                canvasHeight = file.u24le(at + 15) + 1;
            } else if (file.has(at, "VP8 ") || file.has(at, "VP8L")) {
                bitstream = bitstream == 0 ? at : bitstream;
            } else if (file.has(at, "ALPH")) {
                alpha = bitstream == 0 ? at : alpha;
            } else if (file.has(at, "ANMF") && !nested) {
                frames++;
                if (bitstream == 0 && length >= 16) {
                    left = file.u24le(at + 8) * 2;
                    top = file.u24le(at + 11) * 2;
                    chunks(at + 24, at + 8 + length, true);
                }
            } else if (file.has(at, "EXIF")) {
                exif = file.slice(at + 8, length);
            } else if (file.has(at, "XMP ")) {
                xmp = file.slice(at + 8, length);
            }
            at += 8 + length + (length & 1);
        }
    }

    /** @param chunk the bitstream with its chunk header */
    private byte[] decodeBitstream(byte[] chunk, boolean lossless, int width, int height) {
        try {
            if (lossless) {
                return pixels(
                        new RasterColours(file, read(chunk, width, height), RasterColours.Alpha.APART), width, height);
            }
            byte[] rgb = lossy(chunk, width, height);
            if (alpha != 0 && file.forViewer()) {
                byte[] layer = alpha(width, height);
                for (int i = 0; i < layer.length; i++) {
                    ColourConversion.overWhite(rgb, i * 3, layer[i] & 0xff);
                }
            }
            return rgb;
        } catch (VlmException e) {
            throw e;
        } catch (IOException | RuntimeException e) {
            // The decoder answers broken data with whatever its arithmetic runs into.
            throw file.unreadable(e);
        }
    }

    private byte[] lossy(byte[] chunk, int width, int height) throws IOException {
        try (ImageInputStream in =
                new MemoryCacheImageInputStream(new ByteArrayInputStream(chunk, 8, chunk.length - 8))) {
            in.setByteOrder(ByteOrder.LITTLE_ENDIAN);
            return Vp8Planes.decode(in, width, height, file::progress);
        }
    }

    private static byte[] pixels(RasterColours rows, int width, int height) {
        byte[] rgb = new byte[width * height * 3];
        for (int y = 0; y < height; y++) {
            rows.row(y, rgb, y * width * 3);
        }
        return rgb;
    }

    /** [height, width] of alpha: raw or lossless samples, then filtered (WebP container specification, "Alpha"). */
    private byte[] alpha(int width, int height) throws IOException {
        int length = file.i32le(alpha + 4);
        int data = alpha + 9;
        int header = file.u8(alpha + 8);
        byte[] samples = switch (header & 3) {
            case 0 -> file.slice(data, width * height);
            case 1 -> lossless(file.slice(data, length - 1), width, height);
            default -> throw file.unsupported("alpha of compression " + (header & 3));
        };
        unfilter(samples, width, height, header >> 2 & 3);
        return samples;
    }

    /** Samples are the green of a lossless picture, which lacks its own header. */
    private byte[] lossless(byte[] stream, int width, int height) throws IOException {
        ByteBuffer chunk = ByteBuffer.allocate(13 + stream.length).order(ByteOrder.LITTLE_ENDIAN);
        chunk.put("VP8L".getBytes(StandardCharsets.ISO_8859_1)).putInt(5 + stream.length);
        chunk.put((byte) 0x2f).putInt(width - 1 | height - 1 << 14).put(stream);
        Raster raster = read(chunk.array(), width, height).getRaster();
        byte[] samples = new byte[width * height];
        int[] greens = new int[width];
        for (int y = 0; y < height; y++) {
            raster.getSamples(0, y, width, 1, 1, greens);
            for (int x = 0; x < width; x++) {
                samples[y * width + x] = (byte) greens[x];
            }
        }
        return samples;
    }

    /** @param filter 0 for none, 1 for horizontal, 2 for vertical, 3 for a gradient */
    private static void unfilter(byte[] samples, int width, int height, int filter) {
        for (int y = 0; filter != 0 && y < height; y++) {
            for (int x = 0; x < width; x++) {
                int i = y * width + x;
                int left = x > 0 ? samples[i - 1] & 0xff : 0;
                int above = y > 0 ? samples[i - width] & 0xff : 0;
                int predicted;
                if (y == 0 || filter == 1 && x > 0) {
                    predicted = left;
                } else if (x == 0 || filter == 2) {
                    predicted = above;
                } else {
                    predicted = Math.clamp(left + above - (samples[i - width - 1] & 0xff), 0, 255);
                }
                samples[i] += (byte) predicted;
            }
        }
    }

    /** @param chunk of a lossless bitstream, which becomes a file of its own */
    private BufferedImage read(byte[] chunk, int width, int height) throws IOException {
        int size = 4 + chunk.length + (chunk.length & 1);
        ByteBuffer container = ByteBuffer.allocate(8 + size).order(ByteOrder.LITTLE_ENDIAN);
        container.put("RIFF".getBytes(StandardCharsets.ISO_8859_1)).putInt(size);
        container.put("WEBP".getBytes(StandardCharsets.ISO_8859_1)).put(chunk);
        ImageReader reader = new WebPImageReaderSpi().createReaderInstance();
        try (ImageInputStream in = new MemoryCacheImageInputStream(new ByteArrayInputStream(container.array()))) {
            reader.setInput(in, true, true);
            reader.addIIOReadProgressListener(new Progress(file));
            BufferedImage image = reader.read(0);
            if (image.getWidth() != width || image.getHeight() != height) {
                throw file.unreadable("its header contradicts its data", null);
            }
            return image;
        } finally {
            reader.dispose();
        }
    }

    private byte[] onCanvas(byte[] frame, int width, int height) {
        if (width == canvasWidth && height == canvasHeight) {
            return frame;
        }
        byte[] canvas = new byte[canvasWidth * canvasHeight * 3];
        if (file.forViewer()) {
            Arrays.fill(canvas, (byte) 255);
        }
        for (int y = 0; y < height; y++) {
            System.arraycopy(frame, y * width * 3, canvas, ((top + y) * canvasWidth + left) * 3, width * 3);
        }
        return canvas;
    }
}
