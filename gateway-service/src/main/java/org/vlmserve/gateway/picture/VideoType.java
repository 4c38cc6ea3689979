package org.vlmserve.gateway.picture;

import java.util.Arrays;
import java.util.EnumSet;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** The video files that are accepted, told apart by their first bytes and never by what anyone declares. */
public enum VideoType {
    /** And its relatives, such as MOV. */
    MP4,
    /** And Matroska. */
    WEBM;

    /** The picture files that may be a frame; a GIF may hold several, which would be lost. */
    private static final EnumSet<PictureType> FRAMES = EnumSet.complementOf(EnumSet.of(PictureType.GIF));

    /** The type of this file, or null if it is none of these. */
    public static @Nullable VideoType sniff(byte[] content) {
        if (PictureType.at(content, 4, 'f', 't', 'y', 'p')) {
            return MP4;
        }
        if (PictureType.at(content, 0, 0x1A, 0x45, 0xDF, 0xA3)) {
            return WEBM;
        }
        return null;
    }

    /**
     * Requires a video's file, or a frame of one.
     *
     * @throws VlmException {@code PICTURE_TYPE_UNSUPPORTED}, or {@code PICTURE_UNREADABLE} for an empty file
     */
    static void require(byte[] content, boolean frame, String param) {
        if (content.length == 0) {
            throw new VlmException(ErrorCode.PICTURE_UNREADABLE, "the video is empty", param, null);
        }
        PictureType picture = PictureType.sniff(content);
        if (picture != null ? !FRAMES.contains(picture) : frame || sniff(content) == null) {
            throw new VlmException(
                    ErrorCode.PICTURE_TYPE_UNSUPPORTED,
                    frame
                            ? "a frame is not one of " + FRAMES
                            : "the content is not one of " + Arrays.toString(values()) + ", nor a frame in one of "
                                    + FRAMES,
                    param,
                    null);
        }
    }
}
