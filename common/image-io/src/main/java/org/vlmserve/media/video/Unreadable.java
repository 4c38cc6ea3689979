package org.vlmserve.media.video;

import static org.bytedeco.ffmpeg.global.avutil.av_strerror;

import java.nio.charset.StandardCharsets;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** The ways in which a video file cannot be read. */
final class Unreadable {

    private Unreadable() {}

    static VlmException because(String problem) {
        return new VlmException(ErrorCode.PICTURE_UNREADABLE, "the video cannot be read: " + problem);
    }

    /** @param error a negative result of an FFmpeg function */
    static VlmException because(String problem, int error) {
        byte[] text = new byte[128];
        av_strerror(error, text, text.length);
        int length = 0;
        while (length < text.length && text[length] != 0) {
            length++;
        }
        return because(problem + " (" + new String(text, 0, length, StandardCharsets.UTF_8) + ")");
    }

    static VlmException unsupported(String what) {
        return new VlmException(
                ErrorCode.PICTURE_TYPE_UNSUPPORTED, "the video " + what + "; send H.264 in MP4, or VP9 in WebM");
    }
}
