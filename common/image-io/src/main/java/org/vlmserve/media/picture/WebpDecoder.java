package org.vlmserve.media.picture;

import com.twelvemonkeys.imageio.plugins.webp.WebPImageReaderSpi;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;
import org.jspecify.annotations.Nullable;
import org.vlmserve.media.Orientation;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.protocol.error.VlmException;

/**
 * WebP. The bitstream of the first frame is taken out of its container and decoded alone, so that neither alpha nor a
 * colour profile nor an animation touches its colours.
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

    WebpDecoder(PictureFile file) {
        this.file = file;
    }

    RgbPicture decode() {
        file.need(8, file.i32le(4));
        chunks(12, 8 + file.i32le(4));
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
        byte[] frame = decodeBitstream(file.slice(bitstream, 8 + length), width, height);
        RgbPicture picture = new RgbPicture(canvasWidth, canvasHeight, onCanvas(frame, width, height));
        return Orientation.apply(picture, Orientation.of(exif, xmp));
    }

    private void chunks(int from, int end) {
        for (int at = from; at + 8 <= end; ) {
            int length = file.i32le(at + 4);
            file.need(at + 8, length);
            if (file.has(at, "VP8X")) {
                canvasWidth = file.u24le(at + 12) + 1;
                canvasHeight = file.u24le(at + 15) + 1;
            } else if (file.has(at, "VP8 ") || file.has(at, "VP8L")) {
                bitstream = bitstream == 0 ? at : bitstream;
            } else if (file.has(at, "ANMF") && bitstream == 0) {
                left = file.u24le(at + 8) * 2;
                top = file.u24le(at + 11) * 2;
                chunks(at + 24, at + 8 + length);
            } else if (file.has(at, "EXIF")) {
                exif = file.slice(at + 8, length);
            } else if (file.has(at, "XMP ")) {
                xmp = file.slice(at + 8, length);
            }
            at += 8 + length + (length & 1);
        }
    }

    /** @param chunk the bitstream with its chunk header */
    private byte[] decodeBitstream(byte[] chunk, int width, int height) {
        try {
            return chunk[3] == 'L' ? lossless(chunk, width, height) : lossy(chunk, width, height);
        } catch (VlmException e) {
            throw e;
        } catch (IOException | RuntimeException e) {
            // The decoder answers broken data with whatever its arithmetic runs into.
            throw file.unreadable(e.toString(), e);
        }
    }

    private static byte[] lossy(byte[] chunk, int width, int height) throws IOException {
        try (ImageInputStream in =
                new MemoryCacheImageInputStream(new ByteArrayInputStream(chunk, 8, chunk.length - 8))) {
            in.setByteOrder(ByteOrder.LITTLE_ENDIAN);
            return Vp8Planes.decode(in, width, height);
        }
    }

    private byte[] lossless(byte[] chunk, int width, int height) throws IOException {
        ByteArrayOutputStream container = new ByteArrayOutputStream(chunk.length + 13);
        container.writeBytes("RIFF".getBytes(StandardCharsets.ISO_8859_1));
        int size = 4 + chunk.length + (chunk.length & 1);
        for (int shift = 0; shift < 32; shift += 8) {
            container.write(size >> shift);
        }
        container.writeBytes("WEBP".getBytes(StandardCharsets.ISO_8859_1));
        container.writeBytes(chunk);
        if (chunk.length % 2 == 1) {
            container.write(0);
        }
        ImageReader reader = new WebPImageReaderSpi().createReaderInstance();
        try (ImageInputStream in = new MemoryCacheImageInputStream(new ByteArrayInputStream(container.toByteArray()))) {
            reader.setInput(in, true, true);
            BufferedImage image = reader.read(0);
            if (image.getWidth() != width || image.getHeight() != height) {
                throw file.unreadable("its header contradicts its data", null);
            }
            return RasterColours.rgb(file, image);
        } finally {
            reader.dispose();
        }
    }

    private byte[] onCanvas(byte[] frame, int width, int height) {
        if (width == canvasWidth && height == canvasHeight) {
            return frame;
        }
        byte[] canvas = new byte[canvasWidth * canvasHeight * 3];
        for (int y = 0; y < height; y++) {
            System.arraycopy(frame, y * width * 3, canvas, ((top + y) * canvasWidth + left) * 3, width * 3);
        }
        return canvas;
    }
}
