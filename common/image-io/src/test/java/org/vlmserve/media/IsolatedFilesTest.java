package org.vlmserve.media;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.vlmserve.media.child.ChildPool;
import org.vlmserve.media.child.ChildPoolConfig;
import org.vlmserve.media.picture.IsolatedPictures;
import org.vlmserve.media.picture.PictureDecoder;
import org.vlmserve.media.picture.PictureLimits;
import org.vlmserve.media.video.VideoDecoder;
import org.vlmserve.media.video.VideoLimits;
import org.vlmserve.media.video.VideoWriter;
import org.vlmserve.protocol.Rendering;
import org.vlmserve.testing.Goldens;

/** A child gives what the decoders give, for files of every format: pixels, direction, frames. */
class IsolatedFilesTest {

    private static final PictureLimits PICTURES = new PictureLimits(1_000_000, 64 << 20);
    private static final VideoLimits VIDEOS = new VideoLimits(100, 1 << 16, 1 << 20);
    private static final Duration LONG = Duration.ofMinutes(2);
    private static final ChildPool CHILDREN =
            new ChildPool(new ChildPoolConfig(1, 192 << 20, 512 << 20, Duration.ofSeconds(60), 1000));
    private static final IsolatedPictures READER = new IsolatedPictures(CHILDREN, PICTURES, LONG);

    @AfterAll
    static void close() {
        CHILDREN.close();
    }

    static List<Goldens.Decoding> decodings() {
        return Goldens.find().decodings();
    }

    @ParameterizedTest
    @MethodSource("decodings")
    void picturesAreTheSame(Goldens.Decoding golden) throws IOException {
        byte[] file = Files.readAllBytes(Goldens.find().file("pixels/decode/" + golden.file()));
        for (Rendering rendering : Rendering.values()) {
            StillPicture here = PictureDecoder.still(file, PICTURES, rendering);
            StillPicture there = READER.read(file, rendering, () -> {});
            assertThat(there.rgb().width()).isEqualTo(here.rgb().width());
            assertThat(there.rgb().height()).isEqualTo(here.rgb().height());
            assertThat(there.rgb().pixels()).isEqualTo(here.rgb().pixels());
            assertThat(there.framesInFile()).isEqualTo(here.framesInFile());
        }
    }

    @Test
    void framesAreTheSame() {
        byte[] clip = VideoWriter.of("mp4", "libopenh264", 10).write(VideoWriter.colours(30, 96, 64));
        VideoDecoder here = VideoDecoder.here(VIDEOS);
        VideoDecoder there = VideoDecoder.isolated(CHILDREN, VIDEOS, LONG);
        VideoDecoder.Clip expected = third(here, clip);
        VideoDecoder.Clip clips = third(there, clip);
        assertThat(clips.framesInFile()).isEqualTo(expected.framesInFile()).isEqualTo(30);
        assertThat(clips.frames()).hasSize(10);
        for (int i = 0; i < 10; i++) {
            assertThat(clips.frames().get(i).pixels())
                    .isEqualTo(expected.frames().get(i).pixels());
        }
    }

    private static VideoDecoder.Clip third(VideoDecoder decoder, byte[] clip) {
        return decoder.decode(
                clip,
                stream ->
                        IntStream.range(0, stream.frames() / 3).map(i -> i * 3).toArray(),
                () -> {});
    }

    @Test
    void warmingUpReadsAPictureOfEachFormat() {
        READER.warmUp();
        READER.warmUp();
    }
}
