package org.vlmserve.media;

import org.vlmserve.protocol.Rendering;

/** From picture files to pixels. */
@FunctionalInterface
public interface PictureReader {

    /**
     * @param checkpoint may be asked again and again; throws when nobody waits any more
     * @throws org.vlmserve.protocol.error.VlmException {@code PICTURE_TYPE_UNSUPPORTED}, {@code PICTURE_UNREADABLE},
     *     {@code PICTURE_TOO_MANY_PIXELS}, {@code PICTURE_TOO_COSTLY}
     */
    StillPicture read(byte[] file, Rendering rendering, Runnable checkpoint);
}
