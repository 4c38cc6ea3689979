package org.vlmserve.encoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.vlmserve.families.preprocess.FrameSampler;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.media.picture.PictureDecoder;
import org.vlmserve.media.picture.PictureLimits;
import org.vlmserve.media.video.VideoDecoder;
import org.vlmserve.media.video.VideoLimits;
import org.vlmserve.media.video.VideoWriter;
import org.vlmserve.protocol.FrameSampling;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.Rendering;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.testing.Goldens;

class FrameReaderTest {

    private static final int MAX_PIXELS = 100_000;
    private static final PictureLimits LIMITS = new PictureLimits(MAX_PIXELS, 1 << 20);

    /** Every frame up to the most, or the number that is wished for. */
    private static final FrameSampler FIRST = (video, wish, otherwise, most) -> IntStream.range(
                    0, wish.numFrames() == null ? Math.min(video.frames(), most) : wish.numFrames())
            .toArray();

    private final FrameReader reader = new FrameReader(
            (file, rendering, checkpoint) -> PictureDecoder.still(file, LIMITS, rendering),
            VideoDecoder.here(new VideoLimits(100, MAX_PIXELS, MAX_PIXELS)),
            MAX_PIXELS,
            6,
            2);

    private static byte[] png(String name) {
        try {
            return Files.readAllBytes(Goldens.find().file("pictures/" + name));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static PictureFiles frames(String... names) {
        return new PictureFiles(
                Medium.VIDEO, List.of(names).stream().map(FrameReaderTest::png).toList());
    }

    private List<RgbPicture> read(PictureFiles content, @Nullable FrameSampler sampler) {
        return reader.read(content, sampler, () -> {}).frames();
    }

    @Test
    void aListOfFramesIsTakenAsItIs() {
        List<RgbPicture> frames = read(frames("film-84x56/02.png", "film-84x56/00.png", "film-84x56/02.png"), FIRST);
        assertThat(frames).hasSize(3);
        assertThat(frames.get(0).pixels())
                .isEqualTo(PictureDecoder.decode(png("film-84x56/02.png"), LIMITS, Rendering.VIEWER)
                        .pixels());
        assertThat(frames.get(1).pixels())
                .isEqualTo(PictureDecoder.decode(png("film-84x56/00.png"), LIMITS, Rendering.VIEWER)
                        .pixels());
        assertThat(read(frames("film-84x56/01.png"), FIRST)).hasSize(1);
    }

    @Test
    void aFileIsSampledByTheFamilysRule() {
        byte[] file = VideoWriter.mp4(10).write(VideoWriter.colours(20, 64, 64));
        List<Object> seen = new ArrayList<>();
        FrameSampler sampler = (video, wish, otherwise, most) -> {
            seen.addAll(List.of(video.frames(), wish, otherwise, most));
            return new int[] {3, 4};
        };
        FrameSampling wish = new FrameSampling(null, 4);
        assertThat(read(new PictureFiles(Medium.VIDEO, List.of(file), wish), sampler))
                .hasSize(2);
        assertThat(seen).containsExactly(20, wish, new FrameSampling(2.0, null), 6);
    }

    @Test
    void framesOfDifferentSizesAreRefused() {
        VlmException refused =
                expect(ErrorCode.INVALID_REQUEST, () -> read(frames("film-84x56/00.png", "square-56x56.png"), FIRST));
        assertThat(refused).hasMessageContaining("frame 1").hasMessageContaining("56×56");
    }

    @Test
    void aWishForFramesDoesNotFitAListOfFrames() {
        List<byte[]> files = List.of(png("film-84x56/00.png"), png("film-84x56/01.png"));
        expect(
                ErrorCode.FRAME_SAMPLING_INVALID,
                () -> read(new PictureFiles(Medium.VIDEO, files, new FrameSampling(null, 2)), FIRST));
    }

    @Test
    void tooManyFramesAndTooManyPixelsAreRefused() {
        String[] seven = new String[7];
        Arrays.fill(seven, "film-84x56/00.png");
        assertThat(expect(ErrorCode.VIDEO_TOO_LONG, () -> read(frames(seven), FIRST)))
                .hasMessageContaining("7 frames, at most 6");
        String[] large = {"film-large-200x150/00.png", "film-large-200x150/00.png", "film-large-200x150/00.png"};
        assertThat(read(frames(large), FIRST)).hasSize(3);
        expect(ErrorCode.PICTURE_TOO_MANY_PIXELS, () -> read(frames(large[0], large[0], large[0], large[0]), FIRST));
    }

    @Test
    void aFamilyWithoutVideosSaysSo() {
        expect(ErrorCode.MEDIUM_UNSUPPORTED, () -> read(frames("film-84x56/00.png"), null));
        expect(ErrorCode.MEDIUM_UNSUPPORTED, () -> reader.check(new PictureSource(Medium.VIDEO, 2, 64, 64), null));
        assertThat(read(PictureFiles.still(png("film-84x56/00.png")), null)).hasSize(1);
        reader.check(PictureSource.still(64, 64), null);
    }

    @Test
    void whatIsNeitherVideoNorPictureIsRefused() {
        for (String bytes : List.of("", "no video", "GIF89a and no more", "<html>not found</html>")) {
            byte[] file = bytes.getBytes(StandardCharsets.UTF_8);
            expect(
                    ErrorCode.PICTURE_TYPE_UNSUPPORTED,
                    () -> read(new PictureFiles(Medium.VIDEO, List.of(file)), FIRST));
        }
    }

    @Test
    void aSizeHasToPassWhatFilesPass() {
        reader.check(new PictureSource(Medium.VIDEO, 6, 100, 100), FIRST);
        expect(ErrorCode.VIDEO_TOO_LONG, () -> reader.check(new PictureSource(Medium.VIDEO, 7, 100, 100), FIRST));
        expect(
                ErrorCode.PICTURE_TOO_MANY_PIXELS,
                () -> reader.check(new PictureSource(Medium.VIDEO, 6, 200, 100), FIRST));
        expect(
                ErrorCode.PICTURE_TOO_MANY_PIXELS,
                () -> reader.check(PictureSource.still(Integer.MAX_VALUE, Integer.MAX_VALUE), FIRST));
        expect(ErrorCode.INVALID_REQUEST, () -> reader.check(PictureSource.still(0, 5), FIRST));
    }

    private static VlmException expect(ErrorCode code, ThrowingCallable call) {
        VlmException refused = catchThrowableOfType(VlmException.class, call);
        assertThat(refused).as("nothing was thrown").isNotNull();
        assertThat(refused.code()).as(refused.getMessage()).isEqualTo(code);
        return refused;
    }
}
