package org.vlmserve.media.video;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vlmserve.media.FileFormat;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.media.VideoStream;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

class VideoDecoderTest {

    private static final VideoLimits LIMITS = new VideoLimits(500, 1 << 20, 8 << 20);
    private static final Function<VideoStream, int[]> ALL =
            stream -> IntStream.range(0, stream.frames()).toArray();

    private final VideoDecoder decoder = VideoDecoder.here(LIMITS);

    @ParameterizedTest
    @CsvSource({"mp4, libopenh264", "matroska, libopenh264", "webm, libvpx", "webm, libvpx-vp9", "mp4, libaom-av1"})
    void theFramesThatWereChosenComeOut(String muxer, String encoder) {
        byte[] file = VideoWriter.of(muxer, encoder, 10).write(VideoWriter.colours(30, 96, 64));
        assertThat(FileFormat.of(file).isVideo()).isTrue();
        int[] wanted = {0, 7, 8, 21, 29};
        VideoStream[] seen = new VideoStream[1];
        List<RgbPicture> frames = decoder.decode(
                        file,
                        stream -> {
                            seen[0] = stream;
                            return wanted;
                        },
                        () -> {})
                .frames();
        assertThat(seen[0].frames()).isEqualTo(30);
        assertThat(seen[0].fps()).isBetween(9.9, 10.1);
        assertThat(seen[0].width()).isEqualTo(96);
        assertThat(seen[0].height()).isEqualTo(64);
        assertThat(frames.stream().map(VideoDecoderTest::index)).containsExactly(0, 7, 8, 21, 29);
        assertThat(frames).allSatisfy(frame -> {
            assertThat(frame.width()).isEqualTo(96);
            assertThat(frame.height()).isEqualTo(64);
        });
    }

    @Test
    void coloursAreThoseThatWereEncoded() {
        List<RgbPicture> frames = decode(VideoWriter.mp4(10).write(VideoWriter.colours(36, 96, 64)), ALL);
        for (int i = 0; i < frames.size(); i++) {
            int[] colour = VideoWriter.colour(i);
            byte[] pixels = frames.get(i).pixels();
            for (int p = 0; p < pixels.length; p++) {
                assertThat(pixels[p] & 0xff)
                        .as("frame %d, value %d", i, p)
                        .isBetween(colour[p % 3] - 8, colour[p % 3] + 8);
            }
        }
    }

    @Test
    void aFrameMayBeTakenTwice() {
        List<RgbPicture> frames =
                decode(VideoWriter.mp4(10).write(VideoWriter.colours(6, 64, 64)), stream -> new int[] {2, 2, 5});
        assertThat(frames.stream().map(VideoDecoderTest::index)).containsExactly(2, 2, 5);
    }

    @Test
    void aFragmentedFileIsReadLikeAnyOther() {
        byte[] file = VideoWriter.mp4(25).fragmented().write(VideoWriter.colours(40, 64, 64));
        VideoStream[] seen = new VideoStream[1];
        List<RgbPicture> frames = decode(file, stream -> {
            seen[0] = stream;
            return new int[] {13, 39};
        });
        assertThat(seen[0].frames()).isEqualTo(40);
        assertThat(seen[0].fps()).isBetween(24.0, 26.0);
        assertThat(frames.stream().map(VideoDecoderTest::index)).containsExactly(13, 39);
    }

    /** The stored picture has a bright upper left corner; where it is shown tells how the frame was turned. */
    @ParameterizedTest
    @CsvSource({
        "1, 0, 0, 1, 64, 96, left, top",
        "0, 1, -1, 0, 96, 64, right, top",
        "-1, 0, 0, -1, 64, 96, right, bottom",
        "0, -1, 1, 0, 96, 64, left, bottom",
        "-1, 0, 0, 1, 64, 96, right, top",
        "1, 0, 0, -1, 64, 96, left, bottom",
        "0, 1, 1, 0, 96, 64, left, top",
        "0, -1, -1, 0, 96, 64, right, bottom",
    })
    void framesAreTurnedUpright(int a, int b, int c, int d, int width, int height, String x, String y) {
        byte[] pixels = new byte[64 * 96 * 3];
        for (int row = 0; row < 32; row++) {
            Arrays.fill(pixels, row * 64 * 3, row * 64 * 3 + 24 * 3, (byte) 220);
        }
        RgbPicture stored = new RgbPicture(64, 96, pixels);
        byte[] file = VideoWriter.mp4(10).shownBy(a, b, c, d).write(List.of(stored, stored));
        VideoStream[] seen = new VideoStream[1];
        RgbPicture shown = decode(file, stream -> {
                    seen[0] = stream;
                    return new int[] {1};
                })
                .getFirst();
        assertThat(List.of(seen[0].width(), seen[0].height(), shown.width(), shown.height()))
                .containsExactly(width, height, width, height);
        for (String side : List.of("left", "right")) {
            for (String end : List.of("top", "bottom")) {
                int column = side.equals("left") ? 4 : width - 5;
                int row = end.equals("top") ? 4 : height - 5;
                int value = shown.pixels()[(row * width + column) * 3] & 0xff;
                assertThat(value > 110).as("%s %s is %d", side, end, value).isEqualTo(side.equals(x) && end.equals(y));
            }
        }
    }

    /** What a phone writes when a clip is trimmed: all frames stay in the file. */
    @Test
    void framesThatAnEditListHidesAreNotShown() throws IOException {
        byte[] clip;
        try (InputStream in = VideoDecoderTest.class.getResourceAsStream("/org/vlmserve/media/video-trim-head.mp4")) {
            clip = Objects.requireNonNull(in).readAllBytes();
        }
        assertThat(decode(clip, ALL)).hasSize(20);
        byte[] cut = Arrays.copyOf(clip, clip.length / 2);
        expect(ErrorCode.PICTURE_UNREADABLE, () -> decode(cut, ALL));
    }

    @ParameterizedTest
    @CsvSource({"0, 30, 0, 30", "10, 20, 10, 30", "5, 10, 5, 15", "0, 15, 0, 15", "29, 1, 29, 30"})
    void anEditListTrimsHeadAndTail(int from, int length, int first, int end) {
        byte[] file = VideoWriter.mp4(10).write(VideoWriter.colours(30, 96, 64));
        List<Integer> shown = decode(edited(file, from / 10.0, length / 10.0), ALL).stream()
                .map(VideoDecoderTest::index)
                .toList();
        assertThat(shown).isEqualTo(IntStream.range(first, end).boxed().toList());
    }

    /** The same file with its one edit changed, times in seconds. */
    private static byte[] edited(byte[] file, double from, double length) {
        byte[] out = file.clone();
        ByteBuffer box = ByteBuffer.wrap(out);
        int movie = find(out, "mvhd");
        int media = find(out, "mdhd");
        int edits = find(out, "elst");
        box.putInt(edits + 12, (int) Math.round(length * box.getInt(movie + 16)));
        box.putInt(edits + 16, (int) Math.round(from * box.getInt(media + 16)));
        return out;
    }

    private static int find(byte[] file, String box) {
        for (int at = 0; at < file.length - 4; at++) {
            if (new String(file, at, 4, StandardCharsets.ISO_8859_1).equals(box)) {
                return at;
            }
        }
        throw new AssertionError("the file has no " + box);
    }

    /** Otherwise decoding would fail where a process holds a model that is larger than its heap. */
    @Test
    void theMemoryOfTheWholeProcessIsNotHeldAgainstADecoder() {
        decode(VideoWriter.mp4(10).write(VideoWriter.colours(2, 64, 64)), ALL);
        assertThat(Pointer.maxPhysicalBytes()).isZero();
    }

    @Test
    void whatIsNoVideoIsRefused() {
        expect(ErrorCode.PICTURE_TYPE_UNSUPPORTED, () -> decode("a text".getBytes(StandardCharsets.UTF_8), ALL));
        expect(ErrorCode.PICTURE_TYPE_UNSUPPORTED, () -> decode(new byte[0], ALL));
        byte[] pretender = new byte[4096];
        System.arraycopy("\0\0\0\030ftypisom".getBytes(StandardCharsets.ISO_8859_1), 0, pretender, 0, 12);
        expect(ErrorCode.PICTURE_UNREADABLE, () -> decode(pretender, ALL));
    }

    @Test
    void aFileWithSoundAloneIsRefused() {
        assertThat(expect(ErrorCode.PICTURE_UNREADABLE, () -> decode(VideoWriter.audioOnly(), ALL)))
                .hasMessageContaining("none of its 1 streams is video");
    }

    @Test
    void anotherCodecIsNamed() {
        byte[] file = VideoWriter.of("mp4", "mpeg4", 10).write(VideoWriter.colours(2, 64, 64));
        assertThat(expect(ErrorCode.PICTURE_TYPE_UNSUPPORTED, () -> decode(file, ALL)))
                .hasMessageContaining("mpeg4");
    }

    @Test
    void aFileThatIsCutOffIsRefusedWhereverItIsCut() {
        for (byte[] file : List.of(
                VideoWriter.mp4(10).write(VideoWriter.colours(30, 96, 64)),
                VideoWriter.of("matroska", "libopenh264", 10).write(VideoWriter.colours(60, 96, 64)))) {
            for (int length : new int[] {40, file.length / 4, file.length / 2, file.length * 3 / 4}) {
                byte[] cut = Arrays.copyOf(file, length);
                expect(ErrorCode.PICTURE_UNREADABLE, () -> decode(cut, ALL));
            }
        }
    }

    /** Flips bytes anywhere: the frames may be refused or look odd, but nothing else may happen. */
    @Test
    void aDamagedFileEndsInFramesOrInATypedError() {
        for (VideoWriter writer : List.of(
                VideoWriter.mp4(10), VideoWriter.of("webm", "libvpx-vp9", 10), VideoWriter.of("webm", "libvpx", 10))) {
            byte[] file = writer.write(VideoWriter.colours(12, 96, 64));
            Random random = new Random(5);
            for (int round = 0; round < 60; round++) {
                byte[] damaged = file.clone();
                for (int i = 0; i < 1 + round / 4; i++) {
                    damaged[16 + random.nextInt(damaged.length - 16)] = (byte) random.nextInt(256);
                }
                try {
                    assertThat(decode(damaged, ALL)).isNotEmpty();
                } catch (VlmException refused) {
                    assertThat(refused.code().httpStatus()).isIn(415, 422);
                }
            }
        }
    }

    @Test
    void aHugeFrameIsRefusedBeforeItIsDecoded() {
        byte[] file = VideoWriter.mp4(10).write(VideoWriter.colours(2, 96, 64));
        // The file names avc1 first among its brands; width and height stand 28 bytes into the sample description.
        ByteBuffer bytes = ByteBuffer.wrap(file);
        int description = find(file, "avc1", 2);
        bytes.putShort(description + 28, (short) 50_000).putShort(description + 30, (short) 50_000);
        assertThat(expect(ErrorCode.PICTURE_TOO_MANY_PIXELS, () -> decode(file, ALL)))
                .hasMessageContaining("50000×50000");
    }

    @Test
    void aStreamThatIsLargerThanItsContainerSaysIsRefused() {
        VideoDecoder small = VideoDecoder.here(new VideoLimits(500, 5000, 1 << 20));
        byte[] file = VideoWriter.mp4(10).write(VideoWriter.colours(2, 96, 64));
        ByteBuffer.wrap(file).putShort(find(file, "avc1", 2) + 28, (short) 16);
        VlmException refused = catchThrowableOfType(VlmException.class, () -> small.decode(file, ALL, () -> {}));
        assertThat(refused.code()).isIn(ErrorCode.PICTURE_UNREADABLE, ErrorCode.PICTURE_TOO_MANY_PIXELS);
    }

    @Test
    void boundsHoldForTheNumberOfFramesAndForAllOfThemTogether() {
        byte[] file = VideoWriter.mp4(10).write(VideoWriter.colours(30, 96, 64));
        VideoDecoder few = VideoDecoder.here(new VideoLimits(29, 1 << 20, 8 << 20));
        expect(ErrorCode.VIDEO_TOO_LONG, () -> few.decode(file, ALL, () -> {}));
        VideoDecoder tight = VideoDecoder.here(new VideoLimits(30, 1 << 20, 10L * 96 * 64));
        expect(ErrorCode.PICTURE_TOO_MANY_PIXELS, () -> tight.decode(file, ALL, () -> {}));
        assertThat(tight.decode(file, stream -> IntStream.range(20, 30).toArray(), () -> {})
                        .frames())
                .hasSize(10);
    }

    @Test
    void workStopsAtTheNextPacketWhenNobodyWaits() {
        byte[] file = VideoWriter.mp4(10).write(VideoWriter.colours(30, 96, 64));
        AtomicInteger asked = new AtomicInteger();
        VlmException gone = new VlmException(ErrorCode.CANCELLED, "gone");
        for (int patience : new int[] {1, 10, 45}) {
            asked.set(0);
            assertThatThrownBy(() -> decoder.decode(file, ALL, () -> {
                        if (asked.incrementAndGet() >= patience) {
                            throw gone;
                        }
                    }))
                    .isSameAs(gone);
            assertThat(asked).hasValue(patience);
        }
    }

    private List<RgbPicture> decode(byte[] file, Function<VideoStream, int[]> choice) {
        return decoder.decode(file, choice, () -> {}).frames();
    }

    private static VlmException expect(ErrorCode code, ThrowingCallable call) {
        VlmException refused = catchThrowableOfType(VlmException.class, call);
        assertThat(refused).as("nothing was thrown").isNotNull();
        assertThat(refused.code()).as(refused.getMessage()).isEqualTo(code);
        return refused;
    }

    /** Which of {@link VideoWriter#colour}'s frames this is. */
    private static int index(RgbPicture frame) {
        int centre = (frame.height() / 2 * frame.width() + frame.width() / 2) * 3;
        int index = 0;
        for (int channel = 2; channel >= 0; channel--) {
            index = index * 6 + Math.round(((frame.pixels()[centre + channel] & 0xff) - 40) / 32f);
        }
        return index;
    }

    private static int find(byte[] file, String box, int occurrence) {
        byte[] name = box.getBytes(StandardCharsets.ISO_8859_1);
        int seen = 0;
        for (int i = 0; i + name.length <= file.length; i++) {
            if (Arrays.equals(file, i, i + name.length, name, 0, name.length) && ++seen == occurrence) {
                return i;
            }
        }
        throw new IllegalStateException("no " + box);
    }
}
