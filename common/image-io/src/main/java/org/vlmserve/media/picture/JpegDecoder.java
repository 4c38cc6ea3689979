package org.vlmserve.media.picture;

import java.awt.image.DataBufferByte;
import java.awt.image.PixelInterleavedSampleModel;
import java.awt.image.Raster;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import javax.imageio.ImageReader;
import javax.imageio.spi.IIORegistry;
import javax.imageio.spi.ImageReaderSpi;
import javax.imageio.stream.MemoryCacheImageInputStream;
import org.jspecify.annotations.Nullable;
import org.vlmserve.media.Orientation;
import org.vlmserve.media.RgbPicture;

/**
 * JPEG. The JDK's libjpeg decodes the components; which colours they are is decided here by libjpeg's own rules, since
 * the JDK's differ. To that end all application segments are taken out and one is put in that says "convert nothing",
 * which also keeps colour profiles from being applied.
 */
final class JpegDecoder {

    private static final byte[] CONVERT_NOTHING = {
        (byte) 0xff, (byte) 0xee, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 0
    };
    private static final String READER = "com.sun.imageio.plugins.jpeg.JPEGImageReaderSpi";

    private final PictureFile file;
    private int width;
    private int height;
    private int components;
    private final int[] ids = new int[4];
    private boolean jfif;
    private int adobeTransform = -1;
    private byte @Nullable [] exif;
    private byte @Nullable [] xmp;

    JpegDecoder(PictureFile file) {
        this.file = file;
    }

    RgbPicture decode() {
        byte[] stripped = readSegments();
        byte[] samples = components(stripped);
        byte[] pixels = switch (components) {
            case 1 -> grey(samples);
            case 3 -> {
                if (isYcc()) {
                    ColourConversion.yccToRgb(samples);
                }
                yield samples;
            }
            default -> inks(samples);
        };
        return Orientation.apply(new RgbPicture(width, height, pixels), Orientation.of(exif, xmp));
    }

    /** Reads all segments to the end marker and gives the file without its application segments. */
    private byte[] readSegments() {
        ByteArrayOutputStream out = new ByteArrayOutputStream(file.length());
        out.write(0xff);
        out.write(0xd8);
        out.writeBytes(CONVERT_NOTHING);
        int at = 2;
        while (true) {
            int from = at;
            while (file.u8(at) != 0xff) {
                at++;
            }
            while (file.u8(at) == 0xff) {
                at++;
            }
            int marker = file.u8(at++);
            if (marker == 0xd9) {
                break;
            }
            if (marker == 0 || marker == 1 || marker >= 0xd0 && marker <= 0xd8) {
                continue;
            }
            int length = file.u16be(at);
            if (length < 2) {
                throw file.unreadable("a segment has " + length + " bytes", null);
            }
            file.need(at, length);
            boolean application = marker >= 0xe0 && marker <= 0xef || marker == 0xfe;
            if (application) {
                application(marker, at + 2, length - 2);
            } else {
                if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) {
                    frame(marker, at + 2, length - 2);
                }
                out.write(0xff);
                out.write(marker);
                out.write(file.array(), at, length);
            }
            at += length;
            if (marker == 0xda) {
                if (components == 0) {
                    throw file.unreadable("its data come before its header", null);
                }
                from = at;
                at = endOfScan(at);
                out.write(file.array(), from, at - from);
            }
        }
        if (components == 0) {
            throw file.unreadable("it has no header", null);
        }
        out.write(0xff);
        out.write(0xd9);
        return out.toByteArray();
    }

    /** Where the next marker stands; restart markers and stuffed zeros belong to the data. */
    private int endOfScan(int start) {
        int at = start;
        while (true) {
            if (file.u8(at) == 0xff) {
                int next = file.u8(at + 1);
                if (next != 0 && next != 0xff && (next < 0xd0 || next > 0xd7)) {
                    return at;
                }
            }
            at++;
        }
    }

    private void application(int marker, int at, int length) {
        if (marker == 0xe0 && length >= 5 && file.has(at, "JFIF\0")) {
            jfif = true;
        } else if (marker == 0xee && length >= 12 && file.has(at, "Adobe")) {
            adobeTransform = file.u8(at + 11);
        } else if (marker == 0xe1 && length > 6 && file.has(at, "Exif\0\0") && exif == null) {
            exif = file.slice(at + 6, length - 6);
        } else if (marker == 0xe1 && length > 29 && file.has(at, "http://ns.adobe.com/xap/1.0/\0") && xmp == null) {
            xmp = file.slice(at + 29, length - 29);
        }
    }

    private void frame(int marker, int at, int length) {
        if (components != 0) {
            throw file.unreadable("it has two headers", null);
        }
        file.need(at, Math.max(length, 6));
        if (file.u8(at) != 8) {
            throw file.unsupported(file.u8(at) + " bits a component");
        }
        if (marker > 0xc2) {
            throw file.unsupported("a rare coding, marker " + Integer.toHexString(marker));
        }
        height = file.u16be(at + 1);
        width = file.u16be(at + 3);
        file.checkSize(width, height);
        components = file.u8(at + 5);
        if (components != 1 && components != 3 && components != 4) {
            throw file.unsupported(components + " components");
        }
        for (int i = 0; i < components; i++) {
            ids[i] = file.u8(at + 6 + 3 * i);
        }
    }

    /** libjpeg's {@code default_decompress_parms} for three components. */
    private boolean isYcc() {
        if (jfif) {
            return true;
        }
        if (adobeTransform >= 0) {
            return adobeTransform != 0;
        }
        return !(ids[0] == 'R' && ids[1] == 'G' && ids[2] == 'B');
    }

    /** [height, width, components] as they are stored, chroma brought to full size. */
    private byte[] components(byte[] jpeg) {
        ImageReader reader = null;
        try (MemoryCacheImageInputStream in = new MemoryCacheImageInputStream(new ByteArrayInputStream(jpeg))) {
            reader = spi().createReaderInstance();
            reader.setInput(in, true, true);
            Raster raster = reader.readRaster(0, null);
            if (raster.getWidth() != width || raster.getHeight() != height || raster.getNumBands() != components) {
                throw file.unreadable("its header contradicts its data", null);
            }
            if (raster.getDataBuffer() instanceof DataBufferByte buffer
                    && raster.getSampleModel() instanceof PixelInterleavedSampleModel model
                    && model.getScanlineStride() == width * components
                    && buffer.getData().length == width * height * components
                    && inOrder(model.getBandOffsets())) {
                return buffer.getData();
            }
            int[] row = new int[width * components];
            byte[] samples = new byte[width * height * components];
            for (int y = 0; y < height; y++) {
                raster.getPixels(0, y, width, 1, row);
                for (int i = 0; i < row.length; i++) {
                    samples[y * row.length + i] = (byte) row[i];
                }
            }
            return samples;
        } catch (IOException | IllegalArgumentException | IndexOutOfBoundsException e) {
            throw file.unreadable(e.toString(), e);
        } finally {
            if (reader != null) {
                reader.dispose();
            }
        }
    }

    private static boolean inOrder(int[] offsets) {
        for (int i = 0; i < offsets.length; i++) {
            if (offsets[i] != i) {
                return false;
            }
        }
        return true;
    }

    /** The JDK's own reader, whatever other plug-ins are on the class path. */
    private static ImageReaderSpi spi() {
        var providers = IIORegistry.getDefaultInstance().getServiceProviders(ImageReaderSpi.class, false);
        while (providers.hasNext()) {
            ImageReaderSpi spi = providers.next();
            if (spi.getClass().getName().equals(READER)) {
                return spi;
            }
        }
        throw new IllegalStateException("this Java runtime has no JPEG reader; it needs the module java.desktop");
    }

    private byte[] grey(byte[] samples) {
        byte[] pixels = new byte[samples.length * 3];
        for (int i = 0, o = 0; i < samples.length; i++) {
            pixels[o++] = samples[i];
            pixels[o++] = samples[i];
            pixels[o++] = samples[i];
        }
        return pixels;
    }

    /** Four components are CMYK or YCCK, and inverted: Pillow takes Adobe's convention for granted. */
    private byte[] inks(byte[] samples) {
        boolean ycck = adobeTransform > 0;
        byte[] pixels = new byte[samples.length / 4 * 3];
        byte[] colour = new byte[3];
        for (int i = 0, o = 0; i < samples.length; i += 4, o += 3) {
            System.arraycopy(samples, i, colour, 0, 3);
            if (ycck) {
                ColourConversion.yccToRgb(colour);
                // libjpeg gives ink = 255 - RGB, which Pillow inverts again.
                ColourConversion.cmykToRgb(
                        colour[0] & 0xff, colour[1] & 0xff, colour[2] & 0xff, 255 - (samples[i + 3] & 0xff), pixels, o);
            } else {
                ColourConversion.cmykToRgb(
                        255 - (colour[0] & 0xff),
                        255 - (colour[1] & 0xff),
                        255 - (colour[2] & 0xff),
                        255 - (samples[i + 3] & 0xff),
                        pixels,
                        o);
            }
        }
        return pixels;
    }
}
