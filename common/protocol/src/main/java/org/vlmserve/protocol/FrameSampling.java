package org.vlmserve.protocol;

import org.jspecify.annotations.Nullable;

/**
 * A caller's own wish which frames of a video file are taken; nulls leave the choice to the checkpoint and the operator. At
 * most one of the two is set.
 *
 * @param fps frames for each second of the video
 * @param numFrames frames of the whole video
 */
public record FrameSampling(@Nullable Double fps, @Nullable Integer numFrames) {

    public static final FrameSampling DEFAULT = new FrameSampling(null, null);

    public FrameSampling {
        if (fps != null && numFrames != null) {
            throw new IllegalArgumentException(
                    "fps " + fps + " and numFrames " + numFrames + " exclude each other, expected at most one");
        }
    }
}
