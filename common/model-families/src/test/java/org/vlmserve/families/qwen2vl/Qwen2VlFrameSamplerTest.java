package org.vlmserve.families.qwen2vl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.vlmserve.media.VideoStream;
import org.vlmserve.protocol.FrameSampling;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.testing.Goldens;

class Qwen2VlFrameSamplerTest {

    private static final FrameSampling TWO_A_SECOND = new FrameSampling(2.0, null);

    static List<Goldens.FrameWish> wishes() {
        return Goldens.find().frameWishes();
    }

    @ParameterizedTest
    @MethodSource("wishes")
    void theFramesAreTheReferences(Goldens.FrameWish golden) {
        Qwen2VlFrameSampler sampler = sampler(golden.minFrames(), golden.maxFrames(), null, null);
        VideoStream video = new VideoStream(golden.total(), golden.sourceFps(), 64, 64);
        FrameSampling wish = new FrameSampling(golden.fps(), golden.numFrames());
        int[] expected = golden.indices();
        if (expected != null) {
            // Rounding gives the reference one index past the end now and then; it could not take it.
            assertThat(sampler.choose(video, wish, TWO_A_SECOND, 3000))
                    .isEqualTo(Arrays.stream(expected)
                            .filter(index -> index < golden.total())
                            .toArray());
        } else if (golden.fps() != null) {
            // A video of less than a pair of frames, at which the reference stumbles.
            assertThat(golden.total()).isEqualTo(1);
            assertThat(sampler.choose(video, wish, TWO_A_SECOND, 3000)).containsExactly(0);
        } else {
            expect(() -> sampler.choose(video, wish, TWO_A_SECOND, 3000), "num_frames");
        }
    }

    @Test
    void theCallerComesBeforeTheCheckpointAndTheCheckpointBeforeTheOperator() {
        VideoStream video = new VideoStream(100, 10, 64, 64);
        Qwen2VlFrameSampler silent = sampler(2, 768, null, null);
        Qwen2VlFrameSampler rate = sampler(2, 768, 1.0, null);
        Qwen2VlFrameSampler number = sampler(2, 768, null, 6);
        assertThat(silent.choose(video, FrameSampling.DEFAULT, TWO_A_SECOND, 768))
                .hasSize(20);
        assertThat(rate.choose(video, FrameSampling.DEFAULT, TWO_A_SECOND, 768)).hasSize(10);
        assertThat(number.choose(video, FrameSampling.DEFAULT, TWO_A_SECOND, 768))
                .hasSize(6);
        assertThat(number.choose(video, new FrameSampling(4.0, null), TWO_A_SECOND, 768))
                .hasSize(40);
        assertThat(rate.choose(video, new FrameSampling(null, 8), TWO_A_SECOND, 768))
                .hasSize(8);
    }

    @Test
    void noMoreFramesAreTakenThanTheOperatorAllows() {
        VideoStream video = new VideoStream(1000, 10, 64, 64);
        Qwen2VlFrameSampler sampler = sampler(4, 768, null, null);
        assertThat(sampler.choose(video, FrameSampling.DEFAULT, TWO_A_SECOND, 33))
                .hasSize(32)
                .startsWith(0, 31, 62)
                .endsWith(968);
        assertThat(sampler.choose(video, new FrameSampling(30.0, null), TWO_A_SECOND, 33))
                .hasSize(32);
        expect(() -> sampler.choose(video, new FrameSampling(null, 34), TWO_A_SECOND, 33), "num_frames");
        assertThat(sampler.choose(video, new FrameSampling(null, 32), TWO_A_SECOND, 33))
                .hasSize(32);
    }

    @Test
    void aCheckpointsOwnNumberBendsToAShortVideo() {
        Qwen2VlFrameSampler sampler = sampler(4, 768, null, 16);
        assertThat(sampler.choose(new VideoStream(7, 10, 64, 64), FrameSampling.DEFAULT, TWO_A_SECOND, 768))
                .containsExactly(0, 1, 2, 3, 4, 5);
        assertThat(sampler.choose(new VideoStream(1, 10, 64, 64), FrameSampling.DEFAULT, TWO_A_SECOND, 768))
                .containsExactly(0);
    }

    private static Qwen2VlFrameSampler sampler(
            int minFrames, int maxFrames, @Nullable Double fps, @Nullable Integer numFrames) {
        return new Qwen2VlFrameSampler(
                new Qwen2VlPreprocessing.Video(3136, 12544, null, minFrames, maxFrames, fps, numFrames), 2);
    }

    private static void expect(Runnable call, String param) {
        VlmException refused = catchThrowableOfType(VlmException.class, call::run);
        assertThat(refused).isNotNull();
        assertThat(refused.code()).isEqualTo(ErrorCode.FRAME_SAMPLING_INVALID);
        assertThat(refused.param()).isEqualTo(param);
    }
}
