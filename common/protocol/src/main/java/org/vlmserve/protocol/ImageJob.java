package org.vlmserve.protocol;

/** Topic {@code images}: a picture or a video to encode. */
public record ImageJob(Envelope envelope, PictureKey picture, PixelLimits limits, PictureFiles content)
        implements EncoderJob {}
