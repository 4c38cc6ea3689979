package org.vlmserve.media.video;

import static org.bytedeco.ffmpeg.global.avcodec.AV_CODEC_ID_AV1;
import static org.bytedeco.ffmpeg.global.avcodec.AV_CODEC_ID_H264;
import static org.bytedeco.ffmpeg.global.avcodec.AV_CODEC_ID_HEVC;
import static org.bytedeco.ffmpeg.global.avcodec.AV_CODEC_ID_VP8;
import static org.bytedeco.ffmpeg.global.avcodec.AV_CODEC_ID_VP9;
import static org.bytedeco.ffmpeg.global.avcodec.AV_PKT_FLAG_DISCARD;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_alloc_context3;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_find_decoder_by_name;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_free_context;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_get_name;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_open2;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_parameters_to_context;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_receive_frame;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_send_packet;
import static org.bytedeco.ffmpeg.global.avutil.AVERROR_EAGAIN;
import static org.bytedeco.ffmpeg.global.avutil.AVERROR_EOF;
import static org.bytedeco.ffmpeg.global.avutil.AV_LOG_QUIET;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_alloc;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_free;
import static org.bytedeco.ffmpeg.global.avutil.av_log_set_level;

import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import org.bytedeco.ffmpeg.avcodec.AVCodec;
import org.bytedeco.ffmpeg.avcodec.AVCodecContext;
import org.bytedeco.ffmpeg.avcodec.AVCodecParameters;
import org.bytedeco.ffmpeg.avcodec.AVPacket;
import org.bytedeco.ffmpeg.avutil.AVDictionary;
import org.bytedeco.ffmpeg.avutil.AVFrame;
import org.bytedeco.ffmpeg.avutil.AVRational;
import org.jspecify.annotations.Nullable;
import org.vlmserve.media.FileFormat;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.media.VideoStream;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * Videos through FFmpeg, in this process. Thread-safe; nothing touches the disk or the network.
 *
 * <p>The survey counts the packets of the video stream, which costs no decoding: what a header says of the number of frames
 * is not relied on. Frames are decoded from the start up to the last that is taken. They count in the order in which they
 * are shown; those that an edit list hides do not count. Pixels that are not square stay as they are stored, as in the
 * reference.
 */
final class FfmpegVideo implements VideoFrames {

    /** Decoders by codec, so that no file reaches one that is not meant to be here. */
    private static final Map<Integer, String> DECODERS = Map.of(
            AV_CODEC_ID_H264, "h264",
            AV_CODEC_ID_HEVC, "hevc",
            AV_CODEC_ID_VP8, "vp8",
            AV_CODEC_ID_VP9, "vp9",
            AV_CODEC_ID_AV1, "libaom-av1");

    /** FFmpeg's libraries, which are unpacked and loaded with the first video. */
    static final class Libraries {

        /** JavaCPP holds what the whole process has in memory, models too, against a multiple of the heap's limit. */
        private static final String MEMORY_LIMIT = "org.bytedeco.javacpp.maxPhysicalBytes";

        static {
            if (System.getProperty(MEMORY_LIMIT) == null) {
                System.setProperty(MEMORY_LIMIT, "0");
            }
            // FFmpeg's own lines would bypass the service's log, and they quote the file.
            av_log_set_level(AV_LOG_QUIET);
        }

        private Libraries() {}

        static void require() {
            // The work is done by the time that a static method is called.
        }
    }

    private final VideoLimits limits;

    FfmpegVideo(VideoLimits limits) {
        this.limits = limits;
    }

    /** FFmpeg's name of the container. */
    private static String demuxer(byte[] file) {
        FileFormat format = FileFormat.of(file);
        String demuxer = switch (format) {
            case MP4 -> "mov";
            case WEBM -> "matroska";
            default -> throw Unreadable.unsupported("is " + format.title() + ", which is not decoded");
        };
        try {
            Libraries.require();
        } catch (LinkageError e) {
            throw new VlmException(
                    ErrorCode.INTERNAL,
                    "FFmpeg's libraries do not load on this platform, "
                            + System.getProperty("os.name") + " " + System.getProperty("os.arch")
                            + "; videos cannot be decoded here",
                    e);
        }
        return demuxer;
    }

    @Override
    public VideoStream survey(byte[] file, Runnable checkpoint) {
        String demuxer = demuxer(file);
        try (Container container = new Container(file, demuxer, Container.EditLists.OBEYED)) {
            AVCodecParameters codec = container.codec();
            decoder(codec);
            checkSize(codec.width(), codec.height());
            boolean turned = container.orientation() >= 5;
            int packets = 0;
            int frames = 0;
            long first = Long.MAX_VALUE;
            long last = Long.MIN_VALUE;
            for (AVPacket packet = container.next(); packet != null; packet = container.next()) {
                checkpoint.run();
                packets++;
                if ((packet.flags() & AV_PKT_FLAG_DISCARD) != 0 || hidden(codec, packet)) {
                    continue;
                }
                first = Math.min(first, Math.max(packet.pts(), packet.dts()));
                last = Math.max(last, Math.max(packet.pts(), packet.dts()) + Math.max(1, packet.duration()));
                if (++frames > limits.maxSourceFrames()) {
                    throw new VlmException(
                            ErrorCode.VIDEO_TOO_LONG,
                            "the video has more than " + limits.maxSourceFrames()
                                    + " frames, the most that are decoded; cut it, or lower its frame rate");
                }
            }
            long declared = container.stream().nb_frames();
            double missing = container.declaredSeconds() - container.end();
            if (packets < declared && stored(file, demuxer, checkpoint) < declared) {
                throw Unreadable.because("it is cut off after " + packets + " of " + declared + " frames");
            }
            if (missing > 1 && missing > 0.1 * container.declaredSeconds()) {
                throw Unreadable.because(String.format(
                        Locale.ROOT,
                        "it is cut off after %.1f of %.1f seconds",
                        container.end(),
                        container.declaredSeconds()));
            }
            if (frames == 0) {
                throw Unreadable.because("it holds no frame");
            }
            AVRational average = container.stream().avg_frame_rate();
            double fps = average.num() / (double) average.den();
            if (!(fps > 0 && fps < 100_000)) {
                AVRational tick = container.stream().time_base();
                fps = frames / ((last - first) * (tick.num() / (double) tick.den()));
            }
            if (!(fps > 0 && fps < 100_000)) {
                throw Unreadable.because("its " + frames + " frames have no place in time");
            }
            return new VideoStream(
                    frames, fps, turned ? codec.height() : codec.width(), turned ? codec.width() : codec.height());
        }
    }

    /** Packets of the video stream, also those that an edit list hides. */
    private static int stored(byte[] file, String demuxer, Runnable checkpoint) {
        try (Container container = new Container(file, demuxer, Container.EditLists.IGNORED)) {
            int packets = 0;
            while (container.next() != null) {
                checkpoint.run();
                packets++;
            }
            return packets;
        }
    }

    private void checkSize(int width, int height) {
        if (width < 1 || height < 1) {
            throw Unreadable.because("it says that it is " + width + "×" + height + " pixels");
        }
        if ((long) width * height > limits.maxFramePixels()) {
            throw new VlmException(
                    ErrorCode.PICTURE_TOO_MANY_PIXELS,
                    "the video is " + width + "×" + height + ", " + (long) width * height + " pixels a frame; at most "
                            + limits.maxFramePixels() + " are accepted, send it smaller");
        }
    }

    /** VP8 has packets that only serve others; a bit of their first byte says so. */
    private static boolean hidden(AVCodecParameters codec, AVPacket packet) {
        return codec.codec_id() == AV_CODEC_ID_VP8
                && packet.size() > 0
                && (packet.data().get(0) & 0x10) == 0;
    }

    private static AVCodec decoder(AVCodecParameters codec) {
        String name = DECODERS.get(codec.codec_id());
        AVCodec decoder = name == null ? null : avcodec_find_decoder_by_name(name);
        if (decoder == null) {
            throw Unreadable.unsupported(
                    "is in " + avcodec_get_name(codec.codec_id()).getString() + ", which is not decoded");
        }
        return decoder;
    }

    @Override
    public int take(byte[] file, int[] wanted, Consumer<RgbPicture> frames, Runnable checkpoint) {
        try (Container container = new Container(file, demuxer(file), Container.EditLists.OBEYED);
                Decoding decoding = new Decoding(container)) {
            boolean more = true;
            int taken = 0;
            while (more && taken < wanted.length) {
                checkpoint.run();
                AVPacket packet = container.next();
                more = packet != null;
                decoding.send(packet);
                while (taken < wanted.length && decoding.receive()) {
                    // an index that stands twice takes the frame twice
                    int index = decoding.shown++;
                    while (taken < wanted.length && wanted[taken] == index) {
                        frames.accept(decoding.picture(wanted.length));
                        taken++;
                    }
                }
            }
            return decoding.shown;
        }
    }

    /** One run of the decoder. */
    private final class Decoding implements AutoCloseable {

        private final AVCodecContext context;
        private final AVFrame frame;
        private final int orientation;
        private @Nullable FrameConverter converter;
        private int shown;

        Decoding(Container container) {
            AVCodecParameters codec = container.codec();
            AVCodec decoder = decoder(codec);
            orientation = container.orientation();
            context = avcodec_alloc_context3(decoder);
            frame = av_frame_alloc();
            avcodec_parameters_to_context(context, codec);
            context.pkt_timebase(container.stream().time_base());
            // Holds where the stream's own headers say another size than the container.
            context.max_pixels(limits.maxFramePixels());
            context.thread_count(1);
            int opened = avcodec_open2(context, decoder, (AVDictionary) null);
            if (opened < 0) {
                close();
                throw Unreadable.because("its decoder does not start", opened);
            }
        }

        /** @param packet null at the end */
        void send(@Nullable AVPacket packet) {
            int sent = avcodec_send_packet(context, packet);
            if (sent < 0 && sent != AVERROR_EOF) {
                throw Unreadable.because("what follows frame " + shown + " is damaged", sent);
            }
        }

        /** Whether there is a next frame without another packet. */
        boolean receive() {
            int received = avcodec_receive_frame(context, frame);
            if (received == AVERROR_EAGAIN() || received == AVERROR_EOF) {
                return false;
            }
            if (received < 0) {
                throw Unreadable.because("what follows frame " + shown + " is damaged", received);
            }
            return true;
        }

        /** @param together how many such pictures are in memory in the end */
        RgbPicture picture(int together) {
            if (frame.decode_error_flags() != 0) {
                throw Unreadable.because("frame " + (shown - 1) + " is damaged");
            }
            if (converter == null) {
                checkSize(frame.width(), frame.height());
                limits.checkTaken(frame.width(), frame.height(), together);
                converter = new FrameConverter(frame, orientation);
            }
            return converter.convert(frame);
        }

        @Override
        public void close() {
            if (converter != null) {
                converter.close();
            }
            av_frame_free(frame);
            avcodec_free_context(context);
        }
    }
}
