package org.vlmserve.protocol;

import org.vlmserve.protocol.error.ErrorCode;

/**
 * Topic {@code embeddings}: a picture that will never be complete. The decoder fails every prompt that waits for it, so
 * that answers have one writer.
 */
public record PictureFailed(Envelope envelope, PictureKey picture, ErrorCode code, String message)
        implements WireMessage {}
