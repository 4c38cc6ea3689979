package org.vlmserve.media.video;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.media.VideoStream;
import org.vlmserve.media.child.ChildPool;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** Takes frames out of a video file. Thread-safe. */
public final class VideoDecoder {

    /**
     * What was taken.
     *
     * @param frames all of one size, turned upright
     * @param framesInFile how many there are to take from
     */
    public record Clip(List<RgbPicture> frames, int framesInFile) {
        public Clip {
            frames = List.copyOf(frames);
        }
    }

    private final VideoFrames source;
    private final VideoLimits limits;

    private VideoDecoder(VideoFrames source, VideoLimits limits) {
        this.source = source;
        this.limits = limits;
    }

    /** Decodes in this process, for files that are trusted. */
    public static VideoDecoder here(VideoLimits limits) {
        return new VideoDecoder(new FfmpegVideo(limits), limits);
    }

    /** @param time that a child has for one pass over a video */
    public static VideoDecoder isolated(ChildPool children, VideoLimits limits, Duration time) {
        return new VideoDecoder(new IsolatedVideo(children, limits, time), limits);
    }

    /**
     * @param choice the indices of the frames to take, ascending, at least one; it may refuse by throwing
     * @param checkpoint asked again and again; throws when nobody waits for the video any more
     * @throws VlmException {@code PICTURE_TYPE_UNSUPPORTED}, {@code PICTURE_UNREADABLE}, {@code PICTURE_TOO_MANY_PIXELS},
     *     {@code PICTURE_TOO_COSTLY}, {@code VIDEO_TOO_LONG}
     */
    public Clip decode(byte[] file, Function<VideoStream, int[]> choice, Runnable checkpoint) {
        VideoStream stream = source.survey(file, checkpoint);
        int[] wanted = choice.apply(stream);
        limits.checkTaken(stream.width(), stream.height(), wanted.length);
        List<RgbPicture> frames = new ArrayList<>(wanted.length);
        int shown = source.take(file, wanted, frames::add, checkpoint);
        int inFile = stream.frames();
        if (frames.size() < wanted.length && shown > 0) {
            // Some packets show nothing, such as those that lean on frames before a cut: count what is shown instead.
            inFile = shown;
            wanted = choice.apply(new VideoStream(shown, stream.fps(), stream.width(), stream.height()));
            frames.clear();
            source.take(file, wanted, frames::add, checkpoint);
        }
        if (frames.size() < wanted.length) {
            throw new VlmException(
                    ErrorCode.PICTURE_UNREADABLE,
                    "the video cannot be read: only " + shown + " of its " + stream.frames()
                            + " frames can be decoded");
        }
        return new Clip(frames, inFile);
    }
}
