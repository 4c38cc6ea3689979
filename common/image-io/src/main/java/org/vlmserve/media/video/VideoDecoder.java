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

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
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
 * Takes frames out of a video file. Thread-safe; nothing touches the disk or the network.
 *
 * <p>The file is read twice. The first pass counts the packets of the video stream, which costs no decoding: what a header
 * says of the number of frames is not relied on. Then it is decoded from the start up to the last frame that is taken.
 * Frames count in the order in which they are shown; those that an edit list hides do not count. Pixels that are not
 * square stay as they are stored, as in the reference.
 */
public final class VideoDecoder {

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

    public VideoDecoder(VideoLimits limits) {
        this.limits = limits;
    }

    /**
     * @param choice the indices of the frames to take, ascending, at least one; it may refuse by throwing
     * @param checkpoint asked before each packet; throws when nobody waits for the video any more
     * @return the chosen frames, all of one size
     * @throws VlmException {@code PICTURE_TYPE_UNSUPPORTED}, {@code PICTURE_UNREADABLE}, {@code PICTURE_TOO_MANY_PIXELS},
     *     {@code VIDEO_TOO_LONG}
     */
    public List<RgbPicture> decode(byte[] file, Function<VideoStream, int[]> choice, Runnable checkpoint) {
        String demuxer = switch (FileFormat.of(file)) {
            case MP4 -> "mov";
            case WEBM -> "matroska";
            default -> throw Unreadable.unsupported("is " + FileFormat.of(file).title() + ", which is not decoded");
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
        VideoStream stream = survey(file, demuxer, checkpoint);
        int[] wanted = choice.apply(stream);
        checkTaken(stream.width(), stream.height(), wanted.length);
        List<RgbPicture> frames = new ArrayList<>(wanted.length);
        int shown = take(file, demuxer, wanted, frames, checkpoint);
        if (frames.size() < wanted.length && shown > 0) {
            // Some packets show nothing, such as those that lean on frames before a cut: count what is shown instead.
            wanted = choice.apply(new VideoStream(shown, stream.fps(), stream.width(), stream.height()));
            frames.clear();
            take(file, demuxer, wanted, frames, checkpoint);
        }
        if (frames.size() < wanted.length) {
            throw Unreadable.because("only " + shown + " of its " + stream.frames() + " frames can be decoded");
        }
        return frames;
    }

    private void checkTaken(int width, int height, int taken) {
        long pixels = (long) width * height * taken;
        if (pixels > limits.maxTakenPixels()) {
            throw new VlmException(
                    ErrorCode.PICTURE_TOO_MANY_PIXELS,
                    taken + " frames of " + width + "×" + height + " are " + pixels
                            + " pixels, at most " + limits.maxTakenPixels()
                            + " are taken together; send the video smaller, or ask for fewer frames");
        }
    }

    /** Counts frames, and finds out what has to be known before one is decoded. */
    private VideoStream survey(byte[] file, String demuxer, Runnable checkpoint) {
        try (Container container = new Container(file, demuxer)) {
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
            if (packets < declared) {
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

    /** Decodes up to the last of the wanted frames and returns how many frames were shown on the way. */
    private int take(byte[] file, String demuxer, int[] wanted, List<RgbPicture> taken, Runnable checkpoint) {
        try (Container container = new Container(file, demuxer);
                Decoding decoding = new Decoding(container)) {
            boolean more = true;
            while (more && taken.size() < wanted.length) {
                checkpoint.run();
                AVPacket packet = container.next();
                more = packet != null;
                decoding.send(packet);
                while (taken.size() < wanted.length && decoding.receive()) {
                    // an index that stands twice takes the frame twice
                    int index = decoding.shown++;
                    while (taken.size() < wanted.length && wanted[taken.size()] == index) {
                        taken.add(decoding.picture(wanted.length));
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
                checkTaken(frame.width(), frame.height(), together);
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
