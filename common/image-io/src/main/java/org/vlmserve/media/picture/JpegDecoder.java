package org.vlmserve.media.picture;

import java.awt.image.DataBufferByte;
import java.awt.image.PixelInterleavedSampleModel;
import java.awt.image.Raster;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageReader;
import javax.imageio.spi.IIORegistry;
import javax.imageio.spi.ImageReaderSpi;
import javax.imageio.stream.MemoryCacheImageInputStream;
import org.jspecify.annotations.Nullable;
import org.vlmserve.media.Orientation;

/**
 * JPEG. The JDK's libjpeg decodes the components; which colours they are is decided here by libjpeg's own rules, since
 * the JDK's differ. To that end all application segments are taken out and one is put in that says "convert nothing",
 * which also keeps colour profiles from being applied.
 */
final class JpegDecoder {

    private static final byte[] CONVERT_NOTHING = {
        (byte) 0xff, (byte) 0xee, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 0
    };

    /** A progressive picture has ten or so; each costs a pass over all of its pixels, however few bytes it has. */
    private static final int MOST_SCANS = 500;

    private static final String READER = "com.sun.imageio.plugins.jpeg.JPEGImageReaderSpi";

    private final PictureFile file;
    private int width;
    private int height;
    private int components;
    private int scans;
    private long coefficients;
    private final int[] ids = new int[4];
    private boolean jfif;
    private int adobeTransform = -1;
    private boolean progressive;
    /** Whether a scan that holds the whole picture has begun: what follows it can be missing. */
    private boolean inOnlyScan;

    private boolean endless;
    private byte @Nullable [] exif;
    private byte @Nullable [] xmp;

    JpegDecoder(PictureFile file) {
        this.file = file;
    }

    DecodedPicture decode() {
        byte[] stripped = readSegments();
        byte[] samples = components(stripped);
        int orientation = Orientation.of(exif, xmp);
        if (components == 3) {
            if (isYcc()) {
                ColourConversion.yccToRgb(samples);
            }
            return new DecodedPicture.Rgb(width, height, orientation, 1, samples);
        }
        return new DecodedPicture.ByRow(
                width,
                height,
                orientation,
                1,
                components == 1
                        ? (y, rgb, at) -> grey(samples, y, rgb, at)
                        : (y, rgb, at) -> inks(samples, y, rgb, at));
    }

    /**
     * Reads all segments to the end marker and gives the file without its application segments. Where one scan holds the
     * whole picture the end marker may be missing, as in Pillow; whether the scan is complete shows when it is decoded.
     */
    private byte[] readSegments() {
        ByteArrayOutputStream out = new ByteArrayOutputStream(file.length());
        out.write(0xff);
        out.write(0xd8);
        out.writeBytes(CONVERT_NOTHING);
        int at = 2;
        while (true) {
            at = nextMarker(at);
            if (at < 0) {
                endless = true;
                break;
            }
            int marker = file.u8(at++);
            if (marker == 0xd9) {
                break;
            }
            if (marker == 0 || marker == 1 || marker >= 0xd0 && marker <= 0xd8) {
                continue;
            }
            if (inOnlyScan && (at + 2 > file.length() || at + file.u16be(at) > file.length())) {
                endless = true;
                break;
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
            if (marker == 0xda) {
                if (components == 0) {
                    throw file.unreadable("its data come before its header", null);
                }
                if (++scans > MOST_SCANS) {
                    throw file.tooCostly("it has more than " + MOST_SCANS + " scans");
                }
                if (scans == 1 && (progressive || file.u8(at + 2) < components)) {
                    // A picture in several scans is kept as coefficients until the last, outside the heap.
                    file.reserve(coefficients);
                }
                inOnlyScan = !progressive && length > 2 && file.u8(at + 2) == components;
            }
            at += length;
            if (marker == 0xda) {
                int from = at;
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

    /** Where the next marker's second byte stands, or -1 if the file ends before it and may. */
    private int nextMarker(int start) {
        int at = start;
        while (at < file.length() && file.u8(at) != 0xff) {
            at++;
        }
        while (at < file.length() && file.u8(at) == 0xff) {
            at++;
        }
        if (at >= file.length() && !inOnlyScan) {
            file.need(at, 1);
        }
        return at < file.length() ? at : -1;
    }

    /** Where the next marker stands, or the file ends; restart markers and stuffed zeros belong to the data. */
    private int endOfScan(int start) {
        int end = file.length();
        for (int at = start; at < end; at++) {
            if (file.u8(at) == 0xff) {
                int next = at + 1 < end ? file.u8(at + 1) : 0xd9;
                if (next != 0 && next != 0xff && (next < 0xd0 || next > 0xd7)) {
                    return at;
                }
            }
        }
        return end;
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
        progressive = marker == 0xc2;
        height = file.u16be(at + 1);
        width = file.u16be(at + 3);
        file.checkSize(width, height);
        components = file.u8(at + 5);
        if (components != 1 && components != 3 && components != 4) {
            throw file.unsupported(components + " components");
        }
        file.reserve((long) width * height * components);
        int densest = 1;
        int samples = 0;
        for (int i = 0; i < components; i++) {
            ids[i] = file.u8(at + 6 + 3 * i);
            int sampling = file.u8(at + 7 + 3 * i);
            int density = (sampling >> 4) * (sampling & 15);
            densest = Math.max(densest, density);
            samples += density;
        }
        coefficients = Short.BYTES * Math.ceilDiv((long) width * height * samples, densest);
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
            reader.addIIOReadProgressListener(new Progress(file));
            List<String> warnings = new ArrayList<>();
            if (endless) {
                reader.addIIOReadWarningListener((source, warning) -> warnings.add(warning));
            }
            Raster raster = reader.readRaster(0, null);
            if (raster.getWidth() != width || raster.getHeight() != height || raster.getNumBands() != components) {
                throw file.unreadable("its header contradicts its data", null);
            }
            // The first warning is all that libjpeg gives; bytes too many say that none was missing before them.
            if (warnings.stream().anyMatch(warning -> !warning.contains("extraneous bytes"))) {
                throw file.unreadable("it is cut off after " + file.length() + " bytes", null);
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
            throw file.unreadable(e);
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

    private void grey(byte[] samples, int y, byte[] rgb, int at) {
        for (int x = 0, o = at; x < width; x++) {
            byte value = samples[y * width + x];
            rgb[o++] = value;
            rgb[o++] = value;
            rgb[o++] = value;
        }
    }

    /** Four components are CMYK or YCCK, and inverted: Pillow takes Adobe's convention for granted. */
    private void inks(byte[] samples, int y, byte[] rgb, int at) {
        boolean ycck = adobeTransform > 0;
        byte[] colour = new byte[3];
        for (int x = 0, i = y * width * 4, o = at; x < width; x++, i += 4, o += 3) {
            System.arraycopy(samples, i, colour, 0, 3);
            if (ycck) {
                ColourConversion.yccToRgb(colour);
                // libjpeg gives ink = 255 - RGB, which Pillow inverts again.
                ColourConversion.cmykToRgb(
                        colour[0] & 0xff, colour[1] & 0xff, colour[2] & 0xff, 255 - (samples[i + 3] & 0xff), rgb, o);
            } else {
                ColourConversion.cmykToRgb(
                        255 - (colour[0] & 0xff),
                        255 - (colour[1] & 0xff),
                        255 - (colour[2] & 0xff),
                        255 - (samples[i + 3] & 0xff),
                        rgb,
                        o);
            }
        }
    }
}
