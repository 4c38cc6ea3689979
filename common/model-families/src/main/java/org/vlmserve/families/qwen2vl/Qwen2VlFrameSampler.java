package org.vlmserve.families.qwen2vl;

import org.jspecify.annotations.Nullable;
import org.vlmserve.families.preprocess.FrameSampler;
import org.vlmserve.media.VideoStream;
import org.vlmserve.protocol.FrameSampling;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * Frames at even distances, their number a multiple of the frames in a patch. Follows {@code sample_frames} of
 * {@code video_processing_qwen2_vl.py} of transformers 5.18, and goes on where it stumbles: a video that is shorter than a
 * patch is taken whole, and an index that rounding puts past the end is left out.
 */
final class Qwen2VlFrameSampler implements FrameSampler {

    private final Qwen2VlPreprocessing.Video numbers;
    private final int multiple;

    /** @param multiple frames in a patch */
    Qwen2VlFrameSampler(Qwen2VlPreprocessing.Video numbers, int multiple) {
        this.numbers = numbers;
        this.multiple = multiple;
    }

    @Override
    public int[] choose(VideoStream video, FrameSampling wish, FrameSampling otherwise, int mostFrames) {
        int count;
        if (wish.numFrames() != null) {
            count = wanted(wish.numFrames(), video, mostFrames);
        } else if (wish.fps() != null) {
            count = atRate(wish.fps(), video, mostFrames);
        } else {
            FrameSampling own = new FrameSampling(numbers.fps(), numbers.numFrames());
            count = unasked(own.equals(FrameSampling.DEFAULT) ? otherwise : own, video, mostFrames);
        }
        double step = (double) video.frames() / count;
        int[] indices = new int[count];
        for (int i = 0; i < count; i++) {
            // torch's arange: the product in double, the result in float
            indices[i] = (int) (float) (i * step);
        }
        return indices;
    }

    private int wanted(int frames, VideoStream video, int mostFrames) {
        long count = multiples(Math.rint((double) frames / multiple));
        if (count < multiple) {
            throw invalid("num_frames is " + frames + "; expected at least " + multiple, "num_frames");
        }
        if (count > mostFrames) {
            throw invalid("num_frames is " + frames + "; at most " + mostFrames + " are taken here", "num_frames");
        }
        if (count > video.frames()) {
            throw invalid(
                    "num_frames is " + frames + "; the video has " + video.frames()
                            + (video.frames() == 1 ? " frame" : " frames") + ", ask for fewer",
                    "num_frames");
        }
        return (int) count;
    }

    private int atRate(double fps, VideoStream video, int mostFrames) {
        if (!(fps > 0)) {
            throw invalid("fps is " + fps + "; expected a number above 0", "fps");
        }
        int total = video.frames();
        long most = multiples(Math.min(Math.min(numbers.maxFrames(), mostFrames), total) / multiple);
        double frames = Math.min(Math.max(total / video.fps() * fps, numbers.minFrames()), most);
        long count = multiples(Math.floor(frames / multiple));
        return count == 0 ? Math.min(total, mostFrames) : (int) count;
    }

    private int unasked(FrameSampling rule, VideoStream video, int mostFrames) {
        Double fps = rule.fps();
        Integer frames = rule.numFrames();
        if (fps != null) {
            return atRate(fps, video, mostFrames);
        }
        int most = Math.min(video.frames(), mostFrames);
        long count = multiples(Math.min(Math.rint(given(frames) / multiple), most / multiple));
        return count == 0 ? most : (int) count;
    }

    private static double given(@Nullable Integer frames) {
        if (frames == null) {
            throw new IllegalArgumentException("neither fps nor a number of frames is given");
        }
        return frames;
    }

    private long multiples(double count) {
        return (long) count * multiple;
    }

    private static VlmException invalid(String message, String param) {
        return new VlmException(ErrorCode.FRAME_SAMPLING_INVALID, message, param, null);
    }
}
