package org.vlmserve.media.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.media.child.ChildEvents;
import org.vlmserve.media.child.ChildPool;
import org.vlmserve.media.child.ChildPoolConfig;
import org.vlmserve.media.picture.IsolatedPictures;
import org.vlmserve.media.picture.PictureDecoder;
import org.vlmserve.media.picture.PictureLimits;
import org.vlmserve.media.video.VideoDecoder;
import org.vlmserve.media.video.VideoLimits;
import org.vlmserve.media.video.VideoWriter;
import org.vlmserve.protocol.Rendering;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.testing.Goldens;
import org.vlmserve.testing.fuzz.ByteMutations;
import org.vlmserve.testing.fuzz.Fuzzer;

/**
 * Mutated files of each format, read as a service reads them. In between a good file is read again and again, and has to give
 * what it gave at first. More than the build's share: {@code benchmarks/fuzz-media}.
 */
class FuzzedFilesTest {

    private static final int PICTURE_FORMATS = 4;
    private static final int VIDEO_FORMATS = 8;
    private static final int GOOD_ONE_IN = 10;

    /** What one input may take in this process. */
    private static final long MEMORY = 64 << 20;

    private static final PictureLimits LIMITS = new PictureLimits(1_000_000, 32 << 20);
    private static final ErrorCode[] REFUSALS = {
        ErrorCode.PICTURE_UNREADABLE,
        ErrorCode.PICTURE_TYPE_UNSUPPORTED,
        ErrorCode.PICTURE_TOO_MANY_PIXELS,
        ErrorCode.PICTURE_TOO_COSTLY
    };

    private final List<String> ended = new CopyOnWriteArrayList<>();
    private final ChildPool children = new ChildPool(
            new ChildPoolConfig(1, 192 << 20, 512 << 20, Duration.ofSeconds(20), 1_000_000), new ChildEvents() {
                @Override
                public void started() {}

                @Override
                public void ended(String reason) {
                    ended.add(reason);
                }
            });

    @AfterEach
    void close() {
        children.close();
    }

    private static List<byte[]> sources(String format) {
        Goldens goldens = Goldens.find();
        return goldens.decodings().stream()
                .map(Goldens.Decoding::file)
                .filter(file -> file.startsWith("sources/" + format + "-"))
                .map(file -> {
                    try {
                        return Files.readAllBytes(goldens.file("pixels/decode/" + file));
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                })
                .toList();
    }

    @ParameterizedTest
    @ValueSource(strings = {"png", "gif", "bmp", "jpeg", "webp", "tiff"})
    void aMutatedPictureIsReadOrRefused(String format) {
        IsolatedPictures reader = new IsolatedPictures(children, LIMITS, Duration.ofSeconds(20));
        byte[] good = sources(format).getFirst();
        byte[] expected = PictureDecoder.decode(good, LIMITS, Rendering.VIEWER).pixels();
        int[] inputs = {0};
        Fuzzer.of("picture-" + format, REFUSALS)
                .from(sources(format))
                .by(ByteMutations.all())
                .oneIn(PICTURE_FORMATS)
                .memory(MEMORY, 64)
                .run(input -> {
                    if (inputs[0]++ % GOOD_ONE_IN == 0) {
                        assertThat(reader.read(good, Rendering.VIEWER, () -> {})
                                        .rgb()
                                        .pixels())
                                .isEqualTo(expected);
                    }
                    reader.read(input, inputs[0] % 2 == 0 ? Rendering.VIEWER : Rendering.REFERENCE, () -> {});
                });
        System.out.printf("%s: processes that files ended: %s%n", format, ended);
    }

    /** What a process would keep from the service has to be no more than what the decoders refuse themselves. */
    @ParameterizedTest
    @ValueSource(strings = {"jpeg", "webp", "tiff"})
    void aMutatedPictureBreaksNoDecoder(String format) {
        Fuzzer.of("decoder-" + format, REFUSALS)
                .from(sources(format))
                .by(ByteMutations.all())
                .oneIn(PICTURE_FORMATS)
                .memory(3 * MEMORY, 256)
                .run(input -> PictureDecoder.still(input, LIMITS, Rendering.VIEWER));
    }

    @ParameterizedTest
    @ValueSource(strings = {"mp4 libopenh264", "webm libvpx", "webm libvpx-vp9", "mp4 libaom-av1"})
    void aMutatedVideoIsReadOrRefused(String kind) {
        String[] words = kind.split(" ");
        List<byte[]> corpus = new ArrayList<>();
        for (int size : new int[] {32, 64, 96}) {
            corpus.add(VideoWriter.of(words[0], words[1], 10).write(VideoWriter.colours(8, size, 64)));
        }
        VideoDecoder decoder =
                VideoDecoder.isolated(children, new VideoLimits(200, 1 << 16, 1 << 18), Duration.ofSeconds(30));
        List<RgbPicture> expected = frames(decoder, corpus.getFirst());
        int[] inputs = {0};
        Fuzzer.of("video-" + words[1].replace("_", "-"), with(ErrorCode.VIDEO_TOO_LONG))
                .from(corpus)
                .by(ByteMutations.all())
                .oneIn(VIDEO_FORMATS)
                .memory(MEMORY, 64)
                .run(input -> {
                    if (inputs[0]++ % GOOD_ONE_IN == 0) {
                        List<RgbPicture> again = frames(decoder, corpus.getFirst());
                        for (int i = 0; i < expected.size(); i++) {
                            assertThat(again.get(i).pixels())
                                    .isEqualTo(expected.get(i).pixels());
                        }
                    }
                    frames(decoder, input);
                });
        System.out.printf("%s: processes that files ended: %s%n", kind, ended);
    }

    private static List<RgbPicture> frames(VideoDecoder decoder, byte[] file) {
        return decoder.decode(
                        file,
                        stream ->
                                IntStream.range(0, Math.min(stream.frames(), 8)).toArray(),
                        () -> {})
                .frames();
    }

    private static ErrorCode[] with(ErrorCode more) {
        List<ErrorCode> all = new ArrayList<>(List.of(REFUSALS));
        all.add(more);
        return all.toArray(ErrorCode[]::new);
    }

    @Test
    void everyFormatHasFilesToStartFrom() {
        for (String format : List.of("png", "gif", "bmp", "jpeg", "webp", "tiff")) {
            assertThat(sources(format)).as(format).hasSizeGreaterThan(2);
        }
    }
}
