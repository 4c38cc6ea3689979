package org.vlmserve.media.video;

import static org.bytedeco.ffmpeg.global.avcodec.AV_CODEC_FLAG_GLOBAL_HEADER;
import static org.bytedeco.ffmpeg.global.avcodec.AV_PKT_DATA_DISPLAYMATRIX;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_alloc;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_free;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_rescale_ts;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_side_data_new;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_alloc_context3;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_find_encoder_by_name;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_free_context;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_open2;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_parameters_from_context;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_receive_packet;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_send_frame;
import static org.bytedeco.ffmpeg.global.avformat.av_interleaved_write_frame;
import static org.bytedeco.ffmpeg.global.avformat.av_write_trailer;
import static org.bytedeco.ffmpeg.global.avformat.avformat_alloc_output_context2;
import static org.bytedeco.ffmpeg.global.avformat.avformat_free_context;
import static org.bytedeco.ffmpeg.global.avformat.avformat_new_stream;
import static org.bytedeco.ffmpeg.global.avformat.avformat_write_header;
import static org.bytedeco.ffmpeg.global.avformat.avio_close_dyn_buf;
import static org.bytedeco.ffmpeg.global.avformat.avio_open_dyn_buf;
import static org.bytedeco.ffmpeg.global.avutil.AV_CHANNEL_ORDER_NATIVE;
import static org.bytedeco.ffmpeg.global.avutil.AV_PIX_FMT_RGB24;
import static org.bytedeco.ffmpeg.global.avutil.AV_PIX_FMT_YUV420P;
import static org.bytedeco.ffmpeg.global.avutil.AV_SAMPLE_FMT_FLTP;
import static org.bytedeco.ffmpeg.global.avutil.av_dict_free;
import static org.bytedeco.ffmpeg.global.avutil.av_dict_set;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_alloc;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_free;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_get_buffer;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_make_writable;
import static org.bytedeco.ffmpeg.global.avutil.av_free;
import static org.bytedeco.ffmpeg.global.avutil.av_opt_set_int;
import static org.bytedeco.ffmpeg.global.swscale.SWS_BILINEAR;
import static org.bytedeco.ffmpeg.global.swscale.sws_freeContext;
import static org.bytedeco.ffmpeg.global.swscale.sws_getContext;
import static org.bytedeco.ffmpeg.global.swscale.sws_scale;

import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.ffmpeg.avcodec.AVCodec;
import org.bytedeco.ffmpeg.avcodec.AVCodecContext;
import org.bytedeco.ffmpeg.avcodec.AVPacket;
import org.bytedeco.ffmpeg.avcodec.AVPacketSideData;
import org.bytedeco.ffmpeg.avformat.AVFormatContext;
import org.bytedeco.ffmpeg.avformat.AVIOContext;
import org.bytedeco.ffmpeg.avformat.AVStream;
import org.bytedeco.ffmpeg.avutil.AVChannelLayout;
import org.bytedeco.ffmpeg.avutil.AVDictionary;
import org.bytedeco.ffmpeg.avutil.AVFrame;
import org.bytedeco.ffmpeg.avutil.AVRational;
import org.bytedeco.ffmpeg.swscale.SwsContext;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.jspecify.annotations.Nullable;
import org.vlmserve.media.RgbPicture;

/** Writes small video files for tests, in memory. */
public final class VideoWriter {

    static {
        FfmpegVideo.Libraries.require();
    }

    private final String muxer;
    private final String encoder;
    private final int fps;
    private int @Nullable [] matrix;
    private boolean fragmented;

    private VideoWriter(String muxer, String encoder, int fps) {
        this.muxer = muxer;
        this.encoder = encoder;
        this.fps = fps;
    }

    /** H.264 in MP4. */
    public static VideoWriter mp4(int fps) {
        return new VideoWriter("mp4", "libopenh264", fps);
    }

    /** @param encoder FFmpeg's name */
    public static VideoWriter of(String muxer, String encoder, int fps) {
        return new VideoWriter(muxer, encoder, fps);
    }

    /** A stored point (p, q) is to be shown at (a·p + c·q, b·p + d·q). */
    VideoWriter shownBy(int a, int b, int c, int d) {
        matrix = new int[] {a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30};
        return this;
    }

    /** In fragments, headers first, as for streaming. */
    VideoWriter fragmented() {
        fragmented = true;
        return this;
    }

    /** As many frames of one colour each, all different: those of {@link #colour}. */
    public static List<RgbPicture> colours(int count, int width, int height) {
        return IntStream.range(0, count)
                .mapToObj(index -> {
                    byte[] pixels = new byte[width * height * 3];
                    int[] colour = colour(index);
                    for (int i = 0; i < pixels.length; i++) {
                        pixels[i] = (byte) colour[i % 3];
                    }
                    return new RgbPicture(width, height, pixels);
                })
                .toList();
    }

    /** Six levels a channel, far enough apart to survive compression. */
    public static int[] colour(int index) {
        return new int[] {40 + 32 * (index % 6), 40 + 32 * (index / 6 % 6), 40 + 32 * (index / 36 % 6)};
    }

    /** The file's bytes. @param frames of one size with even sides */
    public byte[] write(List<RgbPicture> frames) {
        RgbPicture first = frames.getFirst();
        AVCodec codec = avcodec_find_encoder_by_name(encoder);
        AVCodecContext context = avcodec_alloc_context3(codec);
        context.width(first.width());
        context.height(first.height());
        context.pix_fmt(AV_PIX_FMT_YUV420P);
        context.time_base(rational(1, fps));
        context.framerate(rational(fps, 1));
        context.bit_rate(4_000_000);
        context.gop_size(12);
        context.thread_count(1);
        context.flags(context.flags() | AV_CODEC_FLAG_GLOBAL_HEADER);
        if (encoder.equals("libaom-av1")) {
            av_opt_set_int(context.priv_data(), "cpu-used", 8, 0);
        }
        check(avcodec_open2(context, codec, (AVDictionary) null));
        Output output = new Output(muxer, context, matrix, fragmented);
        AVFrame frame = av_frame_alloc();
        frame.format(AV_PIX_FMT_YUV420P);
        frame.width(first.width());
        frame.height(first.height());
        check(av_frame_get_buffer(frame, 0));
        SwsContext scaler = sws_getContext(
                first.width(),
                first.height(),
                AV_PIX_FMT_RGB24,
                first.width(),
                first.height(),
                AV_PIX_FMT_YUV420P,
                SWS_BILINEAR,
                null,
                null,
                (DoublePointer) null);
        for (int i = 0; i < frames.size(); i++) {
            RgbPicture picture = frames.get(i);
            check(av_frame_make_writable(frame));
            try (BytePointer rgb = new BytePointer(picture.pixels());
                    IntPointer stride = new IntPointer(picture.width() * 3, 0, 0, 0);
                    PointerPointer<BytePointer> planes = new PointerPointer<>(rgb, null, null, null)) {
                sws_scale(scaler, planes, stride, 0, picture.height(), frame.data(), frame.linesize());
            }
            frame.pts(i);
            check(avcodec_send_frame(context, frame));
            output.drain(context);
        }
        check(avcodec_send_frame(context, null));
        output.drain(context);
        sws_freeContext(scaler);
        av_frame_free(frame);
        avcodec_free_context(context);
        return output.finish();
    }

    /** An MP4 file that holds a second of silence and no picture. */
    static byte[] audioOnly() {
        AVCodec codec = avcodec_find_encoder_by_name("aac");
        AVCodecContext context = avcodec_alloc_context3(codec);
        context.sample_fmt(AV_SAMPLE_FMT_FLTP);
        context.sample_rate(8000);
        context.ch_layout(new AVChannelLayout()
                .order(AV_CHANNEL_ORDER_NATIVE)
                .nb_channels(1)
                .u_mask(4));
        context.time_base(rational(1, 8000));
        context.flags(context.flags() | AV_CODEC_FLAG_GLOBAL_HEADER);
        check(avcodec_open2(context, codec, (AVDictionary) null));
        Output output = new Output("mp4", context, null, false);
        AVFrame frame = av_frame_alloc();
        frame.format(AV_SAMPLE_FMT_FLTP);
        frame.nb_samples(context.frame_size());
        frame.ch_layout(context.ch_layout());
        frame.sample_rate(8000);
        check(av_frame_get_buffer(frame, 0));
        for (int i = 0; i < 8; i++) {
            check(av_frame_make_writable(frame));
            BytePointer samples = frame.data(0);
            for (int b = 0; b < context.frame_size() * Float.BYTES; b++) {
                samples.put(b, (byte) 0);
            }
            frame.pts((long) i * context.frame_size());
            check(avcodec_send_frame(context, frame));
            output.drain(context);
        }
        check(avcodec_send_frame(context, null));
        output.drain(context);
        av_frame_free(frame);
        avcodec_free_context(context);
        return output.finish();
    }

    private static AVRational rational(int num, int den) {
        return new AVRational().num(num).den(den);
    }

    private static void check(int result) {
        if (result < 0) {
            throw new IllegalStateException("FFmpeg says " + result);
        }
    }

    private static final class Output {

        private final AVFormatContext format = new AVFormatContext(null);
        private final AVIOContext io = new AVIOContext(null);
        private final AVStream stream;

        Output(String muxer, AVCodecContext context, int @Nullable [] matrix, boolean fragmented) {
            check(avformat_alloc_output_context2(format, null, muxer, null));
            check(avio_open_dyn_buf(io));
            format.pb(io);
            stream = avformat_new_stream(format, null);
            check(avcodec_parameters_from_context(stream.codecpar(), context));
            stream.time_base(context.time_base());
            stream.avg_frame_rate(context.framerate());
            if (matrix != null) {
                AVPacketSideData side = new AVPacketSideData(null);
                IntPointer count = new IntPointer(1).put(0);
                BytePointer data = av_packet_side_data_new(side, count, AV_PKT_DATA_DISPLAYMATRIX, 36, 0)
                        .data();
                IntBuffer numbers = data.capacity(36)
                        .asByteBuffer()
                        .order(ByteOrder.nativeOrder())
                        .asIntBuffer();
                numbers.put(matrix);
                stream.codecpar().coded_side_data(side);
                stream.codecpar().nb_coded_side_data(count.get());
            }
            AVDictionary options = new AVDictionary(null);
            if (fragmented) {
                av_dict_set(options, "movflags", "frag_keyframe+empty_moov+default_base_moof", 0);
            }
            check(avformat_write_header(format, options));
            av_dict_free(options);
        }

        void drain(AVCodecContext context) {
            AVPacket packet = av_packet_alloc();
            while (avcodec_receive_packet(context, packet) >= 0) {
                if (packet.duration() == 0) {
                    packet.duration(1);
                }
                av_packet_rescale_ts(packet, context.time_base(), stream.time_base());
                packet.stream_index(0);
                check(av_interleaved_write_frame(format, packet));
            }
            av_packet_free(packet);
        }

        byte[] finish() {
            check(av_write_trailer(format));
            BytePointer bytes = new BytePointer((Pointer) null);
            int size = avio_close_dyn_buf(io, bytes);
            byte[] file = new byte[size];
            bytes.get(file);
            av_free(bytes);
            avformat_free_context(format);
            return Arrays.copyOf(file, size);
        }
    }
}
