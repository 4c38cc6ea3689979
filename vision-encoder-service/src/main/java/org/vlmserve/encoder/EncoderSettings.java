package org.vlmserve.encoder;

import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/**
 * {@code vlm.encoder}.
 *
 * @param workers pictures of one model that are encoded at once
 * @param maxSourcePixels pictures with more pixels are refused before they are decoded; so are videos whose taken frames have
 *     more together
 */
@ConfigurationProperties("vlm.encoder")
public record EncoderSettings(
        @DefaultValue("1") int workers,
        @DefaultValue("100000000") long maxSourcePixels,
        @DefaultValue VideoSettings video) {

    public EncoderSettings {
        if (workers < 1 || maxSourcePixels < 1) {
            throw new IllegalArgumentException("vlm.encoder.workers is " + workers + " and max-source-pixels "
                    + maxSourcePixels + "; expected at least 1 of each");
        }
    }

    /**
     * {@code vlm.encoder.video}.
     *
     * @param fps frames that are taken for each second of a file where neither the caller nor the checkpoint says anything
     * @param maxFrames most frames that are taken of a file, or come as a list
     * @param maxSourceFrames videos of more frames, taken or not, are refused
     * @param maxFramePixels videos of larger frames are refused
     */
    public record VideoSettings(
            @DefaultValue("2") double fps,
            @DefaultValue("32") int maxFrames,
            @DefaultValue("18000") int maxSourceFrames,
            @DefaultValue("8912896") long maxFramePixels) {

        public VideoSettings {
            if (!(fps > 0) || maxFrames < 2 || maxSourceFrames < 1 || maxFramePixels < 1) {
                throw new IllegalArgumentException("vlm.encoder.video.fps is " + fps + ", max-frames " + maxFrames
                        + ", max-source-frames " + maxSourceFrames + " and max-frame-pixels " + maxFramePixels
                        + "; expected fps above 0, at least 2 frames and at least 1 of the others");
            }
        }
    }
}
