package org.vlmserve.protocol;

/**
 * Topic {@code images}: a picture to encode, with its bytes as they came.
 *
 * @param content the encoded file, at most {@link ProtocolLimits#MAX_PICTURE_BYTES}
 */
public record ImageJob(Envelope envelope, PictureKey picture, PixelLimits limits, byte[] content)
        implements WireMessage {}
