package org.vlmserve.families.preprocess;

import org.vlmserve.media.VideoStream;
import org.vlmserve.protocol.FrameSampling;

/** Which frames of a video file a family takes. */
@FunctionalInterface
public interface FrameSampler {

    /**
     * @param wish the caller's
     * @param otherwise the operator's, where neither the caller nor the checkpoint says anything; one of its two is set
     * @param mostFrames the most that are taken
     * @return at least one index below {@link VideoStream#frames()}, ascending
     * @throws org.vlmserve.protocol.error.VlmException {@code FRAME_SAMPLING_INVALID} for a wish that the video or
     *     {@code mostFrames} does not allow
     */
    int[] choose(VideoStream video, FrameSampling wish, FrameSampling otherwise, int mostFrames);
}
