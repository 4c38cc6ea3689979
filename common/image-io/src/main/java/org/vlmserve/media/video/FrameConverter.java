package org.vlmserve.media.video;

import static org.bytedeco.ffmpeg.global.avutil.AVCOL_RANGE_JPEG;
import static org.bytedeco.ffmpeg.global.avutil.AVCOL_SPC_UNSPECIFIED;
import static org.bytedeco.ffmpeg.global.avutil.AV_PIX_FMT_RGB24;
import static org.bytedeco.ffmpeg.global.avutil.AV_PIX_FMT_YUVJ420P;
import static org.bytedeco.ffmpeg.global.avutil.AV_PIX_FMT_YUVJ422P;
import static org.bytedeco.ffmpeg.global.avutil.AV_PIX_FMT_YUVJ444P;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_alloc;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_free;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_get_buffer;
import static org.bytedeco.ffmpeg.global.swscale.SWS_ACCURATE_RND;
import static org.bytedeco.ffmpeg.global.swscale.SWS_BILINEAR;
import static org.bytedeco.ffmpeg.global.swscale.SWS_CS_DEFAULT;
import static org.bytedeco.ffmpeg.global.swscale.SWS_FULL_CHR_H_INT;
import static org.bytedeco.ffmpeg.global.swscale.sws_freeContext;
import static org.bytedeco.ffmpeg.global.swscale.sws_getCoefficients;
import static org.bytedeco.ffmpeg.global.swscale.sws_getContext;
import static org.bytedeco.ffmpeg.global.swscale.sws_scale;
import static org.bytedeco.ffmpeg.global.swscale.sws_setColorspaceDetails;

import org.bytedeco.ffmpeg.avutil.AVFrame;
import org.bytedeco.ffmpeg.swscale.SwsContext;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.DoublePointer;
import org.vlmserve.media.Orientation;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * Decoded frames of one size to upright 8-bit RGB. Matrix and range are those that the frame names; where it names none,
 * BT.601 and the studio range, as libswscale and with it the reference's decoders take them.
 */
final class FrameConverter implements AutoCloseable {

    private final int width;
    private final int height;
    private final int format;
    private final int orientation;
    private final SwsContext scaler;
    private final AVFrame rgb;

    /** @param orientation as EXIF counts, 1 to 8 */
    FrameConverter(AVFrame first, int orientation) {
        width = first.width();
        height = first.height();
        format = first.format();
        this.orientation = orientation;
        scaler = sws_getContext(
                width,
                height,
                format,
                width,
                height,
                AV_PIX_FMT_RGB24,
                SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT,
                null,
                null,
                (DoublePointer) null);
        if (scaler == null) {
            throw Unreadable.unsupported("has a pixel format that cannot be shown");
        }
        boolean full = first.color_range() == AVCOL_RANGE_JPEG
                || format == AV_PIX_FMT_YUVJ420P
                || format == AV_PIX_FMT_YUVJ422P
                || format == AV_PIX_FMT_YUVJ444P;
        int matrix = first.colorspace() == AVCOL_SPC_UNSPECIFIED ? SWS_CS_DEFAULT : first.colorspace();
        sws_setColorspaceDetails(
                scaler,
                sws_getCoefficients(matrix),
                full ? 1 : 0,
                sws_getCoefficients(SWS_CS_DEFAULT),
                1,
                0,
                1 << 16,
                1 << 16);
        rgb = av_frame_alloc();
        rgb.format(AV_PIX_FMT_RGB24);
        rgb.width(width);
        rgb.height(height);
        if (av_frame_get_buffer(rgb, 0) < 0) {
            close();
            throw new VlmException(
                    ErrorCode.OUT_OF_MEMORY, "there is no memory for a video frame of " + width + "×" + height);
        }
    }

    /** @throws VlmException {@code PICTURE_UNREADABLE} for a frame of another size than the first */
    RgbPicture convert(AVFrame frame) {
        if (frame.width() != width || frame.height() != height || frame.format() != format) {
            throw Unreadable.because("its frames change from " + width + "×" + height + " to " + frame.width() + "×"
                    + frame.height() + " or to another pixel format on the way; expected one size");
        }
        sws_scale(scaler, frame.data(), frame.linesize(), 0, height, rgb.data(), rgb.linesize());
        byte[] pixels = new byte[width * height * 3];
        int stride = rgb.linesize(0);
        BytePointer rows = rgb.data(0).capacity((long) stride * height);
        for (int y = 0; y < height; y++) {
            rows.position((long) y * stride).get(pixels, y * width * 3, width * 3);
        }
        return Orientation.apply(new RgbPicture(width, height, pixels), orientation);
    }

    @Override
    public void close() {
        av_frame_free(rgb);
        sws_freeContext(scaler);
    }
}
