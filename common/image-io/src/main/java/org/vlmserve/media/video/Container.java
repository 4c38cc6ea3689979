package org.vlmserve.media.video;

import static org.bytedeco.ffmpeg.global.avcodec.AV_PKT_DATA_DISPLAYMATRIX;
import static org.bytedeco.ffmpeg.global.avcodec.AV_PKT_FLAG_CORRUPT;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_alloc;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_free;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_unref;
import static org.bytedeco.ffmpeg.global.avformat.AVSEEK_SIZE;
import static org.bytedeco.ffmpeg.global.avformat.AV_DISPOSITION_ATTACHED_PIC;
import static org.bytedeco.ffmpeg.global.avformat.av_find_input_format;
import static org.bytedeco.ffmpeg.global.avformat.av_read_frame;
import static org.bytedeco.ffmpeg.global.avformat.avformat_alloc_context;
import static org.bytedeco.ffmpeg.global.avformat.avformat_close_input;
import static org.bytedeco.ffmpeg.global.avformat.avformat_open_input;
import static org.bytedeco.ffmpeg.global.avformat.avio_alloc_context;
import static org.bytedeco.ffmpeg.global.avformat.avio_context_free;
import static org.bytedeco.ffmpeg.global.avutil.AVERROR_EOF;
import static org.bytedeco.ffmpeg.global.avutil.AVMEDIA_TYPE_VIDEO;
import static org.bytedeco.ffmpeg.global.avutil.av_dict_free;
import static org.bytedeco.ffmpeg.global.avutil.av_dict_set;
import static org.bytedeco.ffmpeg.global.avutil.av_free;
import static org.bytedeco.ffmpeg.global.avutil.av_malloc;

import java.nio.ByteOrder;
import java.nio.IntBuffer;
import org.bytedeco.ffmpeg.avcodec.AVCodecParameters;
import org.bytedeco.ffmpeg.avcodec.AVPacket;
import org.bytedeco.ffmpeg.avcodec.AVPacketSideData;
import org.bytedeco.ffmpeg.avformat.AVFormatContext;
import org.bytedeco.ffmpeg.avformat.AVIOContext;
import org.bytedeco.ffmpeg.avformat.AVStream;
import org.bytedeco.ffmpeg.avformat.Read_packet_Pointer_BytePointer_int;
import org.bytedeco.ffmpeg.avformat.Seek_Pointer_long_int;
import org.bytedeco.ffmpeg.avutil.AVDictionary;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;

/**
 * The packets of a file's first video stream, in the file's order. The file stays in memory: FFmpeg reads it through two
 * callbacks and gets no name, no address and no other protocol. Confined to one thread.
 */
final class Container implements AutoCloseable {

    private static final int BUFFER = 64 << 10;

    private final Reader reader;
    private final Seeker seeker;
    private final AVIOContext io;
    private final AVFormatContext format;
    private final AVStream stream;
    private final AVPacket packet;
    private double end;

    /** What becomes of a file's own statement which of its frames are shown. */
    enum EditLists {
        OBEYED,
        IGNORED
    }

    /**
     * @param demuxer FFmpeg's name of the container
     * @throws org.vlmserve.protocol.error.VlmException {@code PICTURE_UNREADABLE}
     */
    Container(byte[] file, String demuxer, EditLists lists) {
        Source source = new Source(file);
        reader = new Reader(source);
        seeker = new Seeker(source);
        io = avio_alloc_context(new BytePointer(av_malloc(BUFFER)), BUFFER, 0, null, reader, null, seeker);
        AVFormatContext opening = avformat_alloc_context();
        opening.pb(io);
        AVDictionary options = new AVDictionary();
        if (lists == EditLists.IGNORED) {
            av_dict_set(options, "ignore_editlist", "1", 0);
        }
        // On failure FFmpeg frees the context itself.
        int opened = avformat_open_input(opening, (String) null, av_find_input_format(demuxer), options);
        av_dict_free(options);
        if (opened < 0) {
            freeIo();
            throw Unreadable.because("its headers are damaged or cut off", opened);
        }
        format = opening;
        AVStream found = null;
        for (int i = 0; i < format.nb_streams() && found == null; i++) {
            AVStream candidate = format.streams(i);
            if (candidate.codecpar().codec_type() == AVMEDIA_TYPE_VIDEO
                    && (candidate.disposition() & AV_DISPOSITION_ATTACHED_PIC) == 0) {
                found = candidate;
            }
        }
        if (found == null) {
            int streams = format.nb_streams();
            avformat_close_input(format);
            freeIo();
            throw Unreadable.because("none of its " + streams + " streams is video");
        }
        stream = found;
        packet = av_packet_alloc();
    }

    AVStream stream() {
        return stream;
    }

    AVCodecParameters codec() {
        return stream.codecpar();
    }

    /** Seconds that the file says it lasts, or 0. */
    double declaredSeconds() {
        return Math.max(0, format.duration() / 1e6);
    }

    /** Where the latest packet of any stream ended so far, in seconds. */
    double end() {
        return end;
    }

    /**
     * The next packet of the stream, valid until the next call.
     *
     * @return null at the end
     * @throws org.vlmserve.protocol.error.VlmException {@code PICTURE_UNREADABLE} for a file that breaks off
     */
    @Nullable
    AVPacket next() {
        while (true) {
            av_packet_unref(packet);
            int read = av_read_frame(format, packet);
            if (read == AVERROR_EOF) {
                return null;
            }
            if (read < 0) {
                throw Unreadable.because("it is damaged or cut off", read);
            }
            AVStream of = format.streams(packet.stream_index());
            double tick = of.time_base().num() / (double) of.time_base().den();
            end = Math.max(end, (Math.max(packet.pts(), packet.dts()) + packet.duration()) * tick);
            if (packet.stream_index() == stream.index()) {
                if ((packet.flags() & AV_PKT_FLAG_CORRUPT) != 0) {
                    throw Unreadable.because("it is damaged or cut off");
                }
                return packet;
            }
        }
    }

    /**
     * How the stored frames have to be turned, as an EXIF orientation from 1 to 8.
     *
     * @throws org.vlmserve.protocol.error.VlmException {@code PICTURE_TYPE_UNSUPPORTED} for an angle between quarter turns
     */
    int orientation() {
        AVCodecParameters codec = codec();
        for (int i = 0; i < codec.nb_coded_side_data(); i++) {
            AVPacketSideData side = codec.coded_side_data().getPointer(i);
            if (side.type() == AV_PKT_DATA_DISPLAYMATRIX && side.size() >= 9 * Integer.BYTES) {
                IntBuffer matrix = side.data()
                        .capacity(side.size())
                        .asByteBuffer()
                        .order(ByteOrder.nativeOrder())
                        .asIntBuffer();
                return orientation(matrix.get(0), matrix.get(1), matrix.get(3), matrix.get(4));
            }
        }
        return 1;
    }

    /** A stored point (p, q) is shown at (a·p + c·q, b·p + d·q), q counting downwards. */
    private static int orientation(int a, int b, int c, int d) {
        if (b == 0 && c == 0 && a != 0 && d != 0) {
            return a > 0 ? d > 0 ? 1 : 4 : d > 0 ? 2 : 3;
        }
        if (a == 0 && d == 0 && b != 0 && c != 0) {
            return b > 0 ? c > 0 ? 5 : 6 : c > 0 ? 8 : 7;
        }
        throw Unreadable.unsupported("is turned by an angle that is no quarter turn; turn its frames");
    }

    @Override
    public void close() {
        av_packet_free(packet);
        avformat_close_input(format);
        freeIo();
    }

    private void freeIo() {
        av_free(io.buffer());
        avio_context_free(io);
        reader.close();
        seeker.close();
    }

    private static final class Source {
        private final byte[] bytes;
        private int at;

        Source(byte[] bytes) {
            this.bytes = bytes;
        }
    }

    private static final class Reader extends Read_packet_Pointer_BytePointer_int {
        private final Source source;

        Reader(Source source) {
            this.source = source;
        }

        @Override
        public int call(Pointer opaque, BytePointer to, int most) {
            int count = Math.min(most, source.bytes.length - source.at);
            if (count <= 0) {
                return AVERROR_EOF;
            }
            to.put(source.bytes, source.at, count);
            source.at += count;
            return count;
        }
    }

    private static final class Seeker extends Seek_Pointer_long_int {
        private final Source source;

        Seeker(Source source) {
            this.source = source;
        }

        @Override
        public long call(Pointer opaque, long offset, int whence) {
            if (whence == AVSEEK_SIZE) {
                return source.bytes.length;
            }
            long target = switch (whence & 3) {
                case 0 -> offset;
                case 1 -> source.at + offset;
                default -> source.bytes.length + offset;
            };
            if (target < 0 || target > source.bytes.length) {
                return -1;
            }
            source.at = (int) target;
            return target;
        }
    }
}
