package org.vlmserve.media.picture;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.vlmserve.media.StillPicture;
import org.vlmserve.media.child.ChildEvents;
import org.vlmserve.media.child.ChildPool;
import org.vlmserve.media.child.ChildPoolConfig;
import org.vlmserve.protocol.Rendering;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** Files whose numbers ask for more than they hold. Each is refused before it costs anything, and no process is lost on it. */
class HostilePicturesTest {

    private static final PictureLimits LIMITS = new PictureLimits(100_000_000, 128 << 20);
    private static final List<String> ENDED = new CopyOnWriteArrayList<>();
    private static final ChildPool CHILDREN = new ChildPool(
            new ChildPoolConfig(1, 192 << 20, 512 << 20, Duration.ofSeconds(60), 1000), new ChildEvents() {
                @Override
                public void started() {}

                @Override
                public void ended(String reason) {
                    ENDED.add(reason);
                }
            });
    private static final IsolatedPictures READER = new IsolatedPictures(CHILDREN, LIMITS, Duration.ofMinutes(2));

    @AfterAll
    static void close() {
        CHILDREN.close();
    }

    @BeforeEach
    void forget() {
        ENDED.clear();
    }

    /** A file, and what it is refused with. */
    record Case(String name, byte[] file, ErrorCode code) {
        @Override
        public String toString() {
            return name;
        }
    }

    static byte[] resource(String name) {
        try (InputStream in = HostilePicturesTest.class.getResourceAsStream("/org/vlmserve/media/" + name)) {
            assertThat(in).as(name).isNotNull();
            return in.readAllBytes();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    static List<Case> refused() {
        List<Case> all = new ArrayList<>();
        all.add(new Case("TIFF: tile width", resource("tile-width-bomb.tif"), ErrorCode.PICTURE_UNREADABLE));
        all.add(new Case(
                "TIFF: tile height",
                tiff(Map.of(322, 16L, 323, 4_000_000_000L, 324, 8L, 325, 1L), 1, 1),
                ErrorCode.PICTURE_UNREADABLE));
        all.add(new Case(
                "TIFF: no tile", tiff(Map.of(322, 0L, 323, 16L, 324, 8L), 1, 1), ErrorCode.PICTURE_UNREADABLE));
        all.add(new Case(
                "TIFF: size", tiff(Map.of(), 4_000_000_000L, 4_000_000_000L), ErrorCode.PICTURE_TOO_MANY_PIXELS));
        all.add(new Case(
                "TIFF: deep pixels", tiff(Map.of(258, 16L, 277, 4L), 9990, 9990), ErrorCode.PICTURE_TOO_COSTLY));
        all.add(new Case("TIFF: samples", tiff(Map.of(277, 60_000L), 10, 10), ErrorCode.PICTURE_TYPE_UNSUPPORTED));
        all.add(new Case("TIFF: bits", tiff(Map.of(258, 60_000L), 10, 10), ErrorCode.PICTURE_UNREADABLE));
        all.add(new Case(
                "TIFF: one-pixel tiles without data",
                tiff(Map.of(322, 1L, 323, 1L, 324, 8L, 325, 1L), 9000, 9000),
                ErrorCode.PICTURE_UNREADABLE));
        all.add(new Case(
                "TIFF: strip beyond the end", tiff(Map.of(279, 1_000_000L), 10, 10), ErrorCode.PICTURE_UNREADABLE));
        all.add(new Case("TIFF: compression", tiff(Map.of(259, 50_000L), 4, 4), ErrorCode.PICTURE_TYPE_UNSUPPORTED));
        byte[] jpegInside = tiff(Map.of(259, 7L), 4, 4);
        byte[] inside = jpeg(0xc0, 8, 65_000, 65_000, 3);
        System.arraycopy(inside, 0, jpegInside, jpegInside.length - 48, inside.length);
        all.add(new Case("TIFF: a strip in JPEG of another size", jpegInside, ErrorCode.PICTURE_UNREADABLE));
        byte[] manyValues = tiff(Map.of(), 10, 10);
        ByteBuffer.wrap(manyValues).order(ByteOrder.LITTLE_ENDIAN).putInt(10 + 2 * 12 + 4, -1);
        all.add(new Case("TIFF: values of an entry", manyValues, ErrorCode.PICTURE_UNREADABLE));
        all.add(new Case("WebP: nested frames", nestedFrames(20_000), ErrorCode.PICTURE_UNREADABLE));
        all.add(new Case("WebP: canvas", webp(16_777_215, 16_777_215), ErrorCode.PICTURE_TOO_MANY_PIXELS));
        all.add(new Case("PNG: one row", png(99_999_999, 1, 16, 6, List.of()), ErrorCode.PICTURE_TOO_COSTLY));
        all.add(new Case(
                "PNG: size",
                png(Integer.MAX_VALUE, Integer.MAX_VALUE, 8, 2, List.of()),
                ErrorCode.PICTURE_TOO_MANY_PIXELS));
        all.add(new Case(
                "PNG: many headers",
                png(4000, 4000, 8, 2, List.of(header(4000, 4000, 8, 2))),
                ErrorCode.PICTURE_UNREADABLE));
        all.add(new Case("JPEG: scans", scans(1000, 1000, 1, 600), ErrorCode.PICTURE_TOO_COSTLY));
        all.add(new Case("JPEG: size", jpeg(0xc0, 8, 65_535, 65_535, 3), ErrorCode.PICTURE_TOO_MANY_PIXELS));
        all.add(new Case("JPEG: coefficients", scans(5000, 5000, 3, 1), ErrorCode.PICTURE_TOO_COSTLY));
        all.add(new Case("JPEG: height left to be told", jpeg(0xc0, 8, 64, 0, 3), ErrorCode.PICTURE_UNREADABLE));
        all.add(new Case("JPEG: 12 bits", jpeg(0xc1, 12, 64, 64, 3), ErrorCode.PICTURE_TYPE_UNSUPPORTED));
        all.add(new Case("JPEG: arithmetic coding", jpeg(0xc9, 8, 64, 64, 3), ErrorCode.PICTURE_TYPE_UNSUPPORTED));
        all.add(new Case("JPEG: lossless", jpeg(0xc3, 8, 64, 64, 3), ErrorCode.PICTURE_TYPE_UNSUPPORTED));
        all.add(new Case("JPEG: components", jpeg(0xc0, 8, 64, 64, 200), ErrorCode.PICTURE_UNREADABLE));
        all.add(new Case("GIF: screen", gif(65_535, 65_535), ErrorCode.PICTURE_TOO_MANY_PIXELS));
        all.add(new Case("GIF: memory", gif(9_000, 9_000), ErrorCode.PICTURE_TOO_COSTLY));
        all.add(new Case("BMP: lowest height", bmp(10, Integer.MIN_VALUE, 24, 0), ErrorCode.PICTURE_UNREADABLE));
        all.add(new Case("BMP: negative width", bmp(-10, 10, 24, 0), ErrorCode.PICTURE_UNREADABLE));
        all.add(new Case(
                "BMP: size", bmp(Integer.MAX_VALUE, Integer.MAX_VALUE, 24, 0), ErrorCode.PICTURE_TOO_MANY_PIXELS));
        all.add(new Case("BMP: rows without data", bmp(9_999, 9_999, 32, 0), ErrorCode.PICTURE_UNREADABLE));
        all.add(new Case("BMP: runs without data", bmp(9_000, 9_000, 8, 1), ErrorCode.PICTURE_UNREADABLE));
        return all;
    }

    @ParameterizedTest
    @MethodSource("refused")
    void isRefusedWithoutCost(Case hostile) {
        VlmException refused =
                catchThrowableOfType(VlmException.class, () -> READER.read(hostile.file(), Rendering.VIEWER, () -> {}));
        assertThat(refused).as("%s", hostile).isNotNull();
        assertThat(refused.code()).as(refused.getMessage()).isEqualTo(hostile.code());
        assertThat(ENDED).isEmpty();
    }

    @Test
    void textsThatInflateAreLookedIntoOnlySoFar() {
        byte[] bomb = deflated(new byte[64 << 20]);
        List<byte[]> chunks = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            ByteArrayOutputStream text = new ByteArrayOutputStream();
            text.writeBytes("XML:com.adobe.xmp\0\0".getBytes(StandardCharsets.ISO_8859_1));
            text.writeBytes(bomb);
            chunks.add(chunk("zTXt", text.toByteArray()));
        }
        StillPicture picture = PictureDecoder.still(png(8, 8, 8, 2, chunks), LIMITS, Rendering.VIEWER);
        assertThat(picture.rgb().width()).isEqualTo(8);
    }

    @Test
    void directoriesThatPointAtEachOtherAreCountedOnce() {
        byte[] loop = tiff(Map.of(), 4, 4);
        ByteBuffer.wrap(loop).order(ByteOrder.LITTLE_ENDIAN).putInt(loop.length - 48 - 4, 8);
        StillPicture picture = READER.read(loop, Rendering.VIEWER, () -> {});
        assertThat(picture.framesInFile()).isEqualTo(1);
    }

    @Test
    void aPictureThatNobodyWaitsForIsGivenUp() {
        VlmException gone = new VlmException(ErrorCode.CANCELLED, "the caller hung up");
        for (byte[] file : List.of(resource("grey16.png"), resource("jpeg-no-eoi.jpg"))) {
            assertThatThrownBy(() -> READER.read(file, Rendering.VIEWER, () -> {
                        throw gone;
                    }))
                    .isSameAs(gone);
        }
        assertThat(ENDED).containsExactly("cancelled");
    }

    @Test
    void aProcessGoesOnAfterEachOfThem() {
        for (Case hostile : refused()) {
            assertThatThrownBy(() -> READER.read(hostile.file(), Rendering.VIEWER, () -> {}))
                    .isInstanceOf(VlmException.class);
            assertThat(READER.read(tiff(Map.of(), 4, 4), Rendering.VIEWER, () -> {})
                            .rgb()
                            .width())
                    .isEqualTo(4);
        }
    }

    /** Little-endian, one directory, a strip of 48 bytes at its end; some entries replaced or added. */
    private static byte[] tiff(Map<Integer, Long> entries, long width, long height) {
        Map<Integer, Long> all = new java.util.TreeMap<>(new LinkedHashMap<>(
                Map.of(256, width, 257, height, 258, 8L, 259, 1L, 262, 2L, 277, 3L, 278, height, 279, 48L)));
        all.putAll(entries);
        if (!entries.containsKey(324)) {
            all.put(273, 0L);
        }
        int data = 8 + 2 + 12 * all.size() + 4;
        ByteBuffer out = ByteBuffer.allocate(data + 48).order(ByteOrder.LITTLE_ENDIAN);
        out.put((byte) 'I').put((byte) 'I').putShort((short) 42).putInt(8).putShort((short) all.size());
        all.forEach((tag, value) -> out.putShort((short) (int) tag)
                .putShort((short) 4)
                .putInt(1)
                .putInt(tag == 273 ? data : (int) (long) value));
        return out.array();
    }

    private static byte[] riff(byte[] chunks) {
        ByteBuffer out = ByteBuffer.allocate(12 + chunks.length).order(ByteOrder.LITTLE_ENDIAN);
        out.put("RIFF".getBytes(StandardCharsets.ISO_8859_1)).putInt(4 + chunks.length);
        return out.put("WEBP".getBytes(StandardCharsets.ISO_8859_1)).put(chunks).array();
    }

    private static byte[] nestedFrames(int depth) {
        ByteBuffer out = ByteBuffer.allocate(depth * 24).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < depth; i++) {
            out.put("ANMF".getBytes(StandardCharsets.ISO_8859_1))
                    .putInt((depth - i) * 24 - 8)
                    .put(new byte[16]);
        }
        return riff(out.array());
    }

    /** A lossless picture of one pixel on a canvas. */
    private static byte[] webp(int canvasWidth, int canvasHeight) {
        ByteBuffer out = ByteBuffer.allocate(18 + 8 + 6).order(ByteOrder.LITTLE_ENDIAN);
        out.put("VP8X".getBytes(StandardCharsets.ISO_8859_1)).putInt(10).putInt(0);
        out.put((byte) canvasWidth).putShort((short) (canvasWidth >> 8));
        out.put((byte) canvasHeight).putShort((short) (canvasHeight >> 8));
        out.put("VP8L".getBytes(StandardCharsets.ISO_8859_1))
                .putInt(5)
                .put((byte) 0x2f)
                .putInt(0);
        return riff(out.array());
    }

    private static byte[] chunk(String kind, byte[] data) {
        ByteBuffer out = ByteBuffer.allocate(12 + data.length);
        out.putInt(data.length).put(kind.getBytes(StandardCharsets.ISO_8859_1)).put(data);
        CRC32 crc = new CRC32();
        crc.update(out.array(), 4, 4 + data.length);
        return out.putInt((int) crc.getValue()).array();
    }

    private static byte[] header(int width, int height, int depth, int colour) {
        return chunk(
                "IHDR",
                ByteBuffer.allocate(13)
                        .putInt(width)
                        .putInt(height)
                        .put((byte) depth)
                        .put((byte) colour)
                        .array());
    }

    private static byte[] deflated(byte[] data) {
        Deflater deflater = new Deflater();
        deflater.setInput(data);
        deflater.finish();
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        byte[] buffer = new byte[8192];
        while (!deflater.finished()) {
            out.write(buffer, 0, deflater.deflate(buffer));
        }
        deflater.end();
        return out.toByteArray();
    }

    /** Zeros for up to a megabyte of rows. */
    private static byte[] png(int width, int height, int depth, int colour, List<byte[]> between) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(new byte[] {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'});
        out.writeBytes(header(width, height, depth, colour));
        between.forEach(out::writeBytes);
        out.writeBytes(chunk("IDAT", deflated(new byte[1 << 20])));
        out.writeBytes(chunk("IEND", new byte[0]));
        return out.toByteArray();
    }

    /** A header, and nothing that it speaks of. */
    private static byte[] jpeg(int marker, int bits, int width, int height, int components) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(new byte[] {(byte) 0xff, (byte) 0xd8, (byte) 0xff, (byte) marker});
        ByteBuffer frame = ByteBuffer.allocate(8 + 3 * Math.min(components, 4));
        frame.putShort((short) (8 + 3 * components))
                .put((byte) bits)
                .putShort((short) height)
                .putShort((short) width);
        frame.put((byte) components);
        for (int i = 0; i < Math.min(components, 4); i++) {
            frame.put((byte) (i + 1)).put((byte) 0x11).put((byte) 0);
        }
        out.writeBytes(frame.array());
        out.writeBytes(new byte[] {(byte) 0xff, (byte) 0xd9});
        return out.toByteArray();
    }

    private static byte[] scans(int width, int height, int components, int count) {
        byte[] frame = jpeg(0xc2, 8, width, height, components);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(frame, 0, frame.length - 2);
        for (int i = 0; i < count; i++) {
            out.writeBytes(new byte[] {(byte) 0xff, (byte) 0xda, 0, 8, 1, 1, 0, 0, 0, 0, 0});
        }
        out.writeBytes(new byte[] {(byte) 0xff, (byte) 0xd9});
        return out.toByteArray();
    }

    private static byte[] gif(int width, int height) {
        ByteBuffer out = ByteBuffer.allocate(40).order(ByteOrder.LITTLE_ENDIAN);
        out.put("GIF89a".getBytes(StandardCharsets.ISO_8859_1))
                .putShort((short) width)
                .putShort((short) height);
        out.put(new byte[3])
                .put((byte) ',')
                .putInt(0)
                .putShort((short) 1)
                .putShort((short) 1)
                .put((byte) 0);
        return out.put(new byte[] {2, 2, 0x44, 1, 0, ';'}).array();
    }

    private static byte[] bmp(int width, int height, int bits, int compression) {
        ByteBuffer out = ByteBuffer.allocate(54 + 64).order(ByteOrder.LITTLE_ENDIAN);
        out.put((byte) 'B')
                .put((byte) 'M')
                .putInt(118)
                .putInt(0)
                .putInt(54)
                .putInt(40)
                .putInt(width)
                .putInt(height);
        return out.putShort((short) 1)
                .putShort((short) bits)
                .putInt(compression)
                .array();
    }
}
