package org.vlmserve.media.picture;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.vlmserve.media.Orientation;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.protocol.Rendering;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.testing.Goldens;

class PictureDecoderTest {

    private static final Goldens GOLDENS = Goldens.find();
    private static final PictureLimits RECEIPT = new PictureLimits(1_000_000, 64 << 20);
    private static final PictureLimits LIMITS = new PictureLimits(1_000_000, 64 << 20);

    static List<Goldens.Decoding> decodings() {
        return GOLDENS.decodings();
    }

    static List<Goldens.BrokenPicture> broken() {
        return GOLDENS.brokenPictures();
    }

    private static byte[] file(String name) throws IOException {
        return Files.readAllBytes(GOLDENS.file("pixels/decode/" + name));
    }

    /**
     * The largest difference of a sample from Pillow's. JPEG has none: both decode with libjpeg's integer arithmetic. Of
     * WebP the lossy bitstreams' prediction and filtering are another implementation's.
     */
    private static int bound(Goldens.Decoding golden) {
        return golden.file().matches("sources/webp-(lossy|exif).*") ? 5 : 0;
    }

    @ParameterizedTest
    @MethodSource("decodings")
    void isPillows(Goldens.Decoding golden) throws IOException {
        compare(golden, golden.expected(), Rendering.REFERENCE);
    }

    @ParameterizedTest
    @MethodSource("decodings")
    void isWhatAPersonSees(Goldens.Decoding golden) throws IOException {
        compare(golden, golden.viewer(), Rendering.VIEWER);
    }

    private static void compare(Goldens.Decoding golden, String result, Rendering rendering) throws IOException {
        byte[] expected = GOLDENS.array("pixels/decode/" + result).bytes();
        RgbPicture picture = PictureDecoder.decode(file(golden.file()), LIMITS, rendering);
        assertThat(picture.width()).isEqualTo(golden.width());
        assertThat(picture.height()).isEqualTo(golden.height());
        int largest = 0;
        long sum = 0;
        for (int i = 0; i < expected.length; i++) {
            int difference = Math.abs((expected[i] & 0xff) - (picture.pixels()[i] & 0xff));
            largest = Math.max(largest, difference);
            sum += difference;
        }
        if (!golden.lossless()) {
            System.out.printf("%s: largest %d, mean %.4f%n", golden.file(), largest, sum / (double) expected.length);
        }
        assertThat(largest).as("largest difference from Pillow").isLessThanOrEqualTo(bound(golden));
    }

    /** A receipt in black ink on nothing, and as a 16-bit scan: what a person reads is dark on light. */
    @Test
    void inkOnNothingAndDeepScansAreDarkOnLight() {
        for (String name : List.of("transparent-black.png", "grey16.png")) {
            byte[] seen = PictureDecoder.decode(HostilePicturesTest.resource(name), RECEIPT, Rendering.VIEWER)
                    .pixels();
            assertThat(share(seen, 0, 100)).as(name + ": dark").isBetween(0.02, 0.3);
            assertThat(share(seen, 200, 256)).as(name + ": light").isBetween(0.6, 0.98);
            byte[] reference = PictureDecoder.decode(HostilePicturesTest.resource(name), RECEIPT, Rendering.REFERENCE)
                    .pixels();
            assertThat(Math.max(share(reference, 0, 100), share(reference, 200, 256)))
                    .as(name + ": of one colour")
                    .isGreaterThan(0.98);
        }
    }

    private static double share(byte[] pixels, int from, int to) {
        int found = 0;
        for (byte value : pixels) {
            found += (value & 0xff) >= from && (value & 0xff) < to ? 1 : 0;
        }
        return found / (double) pixels.length;
    }

    /** The whole picture is there, and a byte less of it is not. */
    @Test
    void aJpegMayLackItsEndAndNothingElse() {
        byte[] file = HostilePicturesTest.resource("jpeg-no-eoi.jpg");
        byte[] ended = Arrays.copyOf(file, file.length + 2);
        ended[file.length] = (byte) 0xff;
        ended[file.length + 1] = (byte) 0xd9;
        byte[] expected =
                PictureDecoder.decode(ended, RECEIPT, Rendering.VIEWER).pixels();
        for (byte[] variant :
                List.of(file, Arrays.copyOf(ended, file.length + 1), Arrays.copyOf(file, file.length + 9))) {
            assertThat(PictureDecoder.decode(variant, RECEIPT, Rendering.VIEWER).pixels())
                    .isEqualTo(expected);
        }
        for (int missing : new int[] {20, 100, 1000, file.length / 2}) {
            byte[] cut = Arrays.copyOf(file, file.length - missing);
            assertThatThrownBy(() -> PictureDecoder.decode(cut, RECEIPT, Rendering.VIEWER))
                    .as("%d bytes less", missing)
                    .isInstanceOfSatisfying(
                            VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.PICTURE_UNREADABLE))
                    .hasMessageContaining("cut off");
        }
    }

    @Test
    void furtherPagesAndFramesAreCounted() throws IOException {
        for (String name : List.of("tiff-pages.tiff", "gif-frames.gif", "webp-frames.webp")) {
            assertThat(PictureDecoder.still(file("sources/" + name), LIMITS, Rendering.VIEWER)
                            .framesInFile())
                    .as(name)
                    .isGreaterThan(1);
        }
        for (String name : List.of("tiff-rgb.tiff", "gif-one.gif", "webp-lossy.webp", "png-rgb.png", "jpeg-444.jpg")) {
            assertThat(PictureDecoder.still(file("sources/" + name), LIMITS, Rendering.VIEWER)
                            .framesInFile())
                    .as(name)
                    .isEqualTo(1);
        }
    }

    @ParameterizedTest
    @MethodSource("broken")
    void whatPillowRefusesIsRefused(Goldens.BrokenPicture golden) throws IOException {
        byte[] bytes = file(golden.file());
        assertThatThrownBy(() -> PictureDecoder.decode(bytes, LIMITS, Rendering.REFERENCE))
                .isInstanceOfSatisfying(
                        VlmException.class,
                        e -> assertThat(e.code())
                                .isIn(ErrorCode.PICTURE_UNREADABLE, ErrorCode.PICTURE_TYPE_UNSUPPORTED));
    }

    @ParameterizedTest
    @MethodSource("decodings")
    void aFileThatIsCutOffNeverDecodesOrFailsOtherwise(Goldens.Decoding golden) throws IOException {
        byte[] whole = file(golden.file());
        for (int percent = 0; percent < 60; percent += 4) {
            byte[] part = Arrays.copyOf(whole, whole.length * percent / 100);
            if (golden.file().contains("frames") || golden.file().contains("pages")) {
                continue; // the first picture may be whole
            }
            assertThatThrownBy(() -> PictureDecoder.decode(part, LIMITS, Rendering.REFERENCE))
                    .as("%d of %d bytes", part.length, whole.length)
                    .isInstanceOfSatisfying(
                            VlmException.class,
                            e -> assertThat(e.code())
                                    .isIn(ErrorCode.PICTURE_UNREADABLE, ErrorCode.PICTURE_TYPE_UNSUPPORTED));
        }
    }

    @ParameterizedTest
    @MethodSource("decodings")
    void tooManyPixelsAreRefused(Goldens.Decoding golden) throws IOException {
        byte[] bytes = file(golden.file());
        long pixels = (long) golden.width() * golden.height();
        assertThatThrownBy(
                        () -> PictureDecoder.decode(bytes, new PictureLimits(pixels - 1, 64 << 20), Rendering.VIEWER))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.PICTURE_TOO_MANY_PIXELS))
                .hasMessageContaining(Long.toString(pixels))
                .hasMessageContaining(Long.toString(pixels - 1));
        assertThat(PictureDecoder.decode(bytes, new PictureLimits(pixels, 64 << 20), Rendering.VIEWER)
                        .pixels())
                .hasSize((int) pixels * 3);
    }

    @Test
    void aSmallFileThatClaimsToBeHugeIsRefusedByItsHeader() {
        ByteBuffer png = ByteBuffer.allocate(8 + 25);
        png.put(new byte[] {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'});
        png.putInt(13).put("IHDR".getBytes(java.nio.charset.StandardCharsets.US_ASCII));
        png.putInt(50_000).putInt(50_000).put(new byte[] {8, 2, 0, 0, 0});
        CRC32 crc = new CRC32();
        crc.update(png.array(), 12, 17);
        png.putInt((int) crc.getValue());
        assertThatThrownBy(() -> PictureDecoder.decode(
                        png.array(), new PictureLimits(Long.MAX_VALUE, Long.MAX_VALUE), Rendering.VIEWER))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.PICTURE_TOO_MANY_PIXELS))
                .hasMessageContaining("2500000000 pixels");
    }

    @Test
    void everyOrientationTurnsAsPillowDoes() {
        // Stored: a b c / d e f
        RgbPicture stored = new RgbPicture(3, 2, spread("abcdef"));
        List<String> upright = List.of("abcdef", "cbafed", "fedcba", "defabc", "adbecf", "daebfc", "fcebda", "cfbead");
        for (int orientation = 1; orientation <= 8; orientation++) {
            RgbPicture turned = Orientation.apply(stored, orientation);
            assertThat(turned.width()).isEqualTo(orientation < 5 ? 3 : 2);
            assertThat(turned.pixels())
                    .as("orientation %d", orientation)
                    .isEqualTo(spread(upright.get(orientation - 1)));
        }
    }

    private static byte[] spread(String letters) {
        byte[] pixels = new byte[letters.length() * 3];
        for (int i = 0; i < pixels.length; i++) {
            pixels[i] = (byte) (letters.charAt(i / 3) + i % 3);
        }
        return pixels;
    }
}
