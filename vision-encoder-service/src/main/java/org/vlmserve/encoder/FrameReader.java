package org.vlmserve.encoder;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.preprocess.FrameSampler;
import org.vlmserve.media.FileFormat;
import org.vlmserve.media.PictureReader;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.media.StillPicture;
import org.vlmserve.media.video.VideoDecoder;
import org.vlmserve.protocol.FrameSampling;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * From the files of a picture or video to frames: a picture's one, those that are taken of a video's file, or all of a
 * video that came as a list of frames. Thread-safe.
 */
public final class FrameReader {

    private final PictureReader pictures;
    private final VideoDecoder videos;
    private final long maxPixels;
    private final int maxFrames;
    private final FrameSampling otherwise;

    /**
     * @param pictures decodes a picture file, refusing those that are no pictures or have too many pixels
     * @param maxPixels the most of a picture, and of all of a video's frames together
     * @param maxFrames the most of a video
     * @param fps frames a second that are taken of a video's file where nobody else says anything
     */
    public FrameReader(PictureReader pictures, VideoDecoder videos, long maxPixels, int maxFrames, double fps) {
        this.pictures = pictures;
        this.videos = videos;
        this.maxPixels = maxPixels;
        this.maxFrames = maxFrames;
        this.otherwise = new FrameSampling(fps, null);
    }

    /** What a service reads with. */
    static FrameReader of(EncoderSettings settings, Decoders decoders) {
        return new FrameReader(
                decoders.pictures(),
                decoders.videos(),
                settings.maxSourcePixels(),
                settings.video().maxFrames(),
                settings.video().fps());
    }

    /**
     * What came out of files.
     *
     * @param frames at least one, all of one size
     * @param inFiles how many frames or pages the files hold, read or not
     */
    record Footage(List<RgbPicture> frames, int inFiles) {
        Footage {
            frames = List.copyOf(frames);
        }

        PictureSource source(Medium medium) {
            RgbPicture first = frames.getFirst();
            return new PictureSource(medium, frames.size(), first.width(), first.height(), inFiles);
        }
    }

    /**
     * @param sampler the family's choice of frames, or null for one that takes pictures only
     * @param checkpoint asked again and again while a video is decoded; throws when nobody waits any more
     * @throws VlmException {@code PICTURE_UNREADABLE} and the like for the caller's mistakes, {@code MEDIUM_UNSUPPORTED}
     */
    Footage read(PictureFiles content, @Nullable FrameSampler sampler, Runnable checkpoint) {
        List<byte[]> files = content.files();
        if (content.medium() == Medium.PICTURE) {
            StillPicture picture = pictures.read(files.getFirst(), content.rendering(), checkpoint);
            return new Footage(List.of(picture.rgb()), picture.framesInFile());
        }
        FrameSampler choice = require(sampler);
        if (files.size() == 1 && !FileFormat.of(files.getFirst()).isFrame()) {
            VideoDecoder.Clip clip = videos.decode(
                    files.getFirst(),
                    stream -> choice.choose(stream, content.sampling(), otherwise, maxFrames),
                    checkpoint);
            return new Footage(clip.frames(), clip.framesInFile());
        }
        if (!content.sampling().equals(FrameSampling.DEFAULT)) {
            throw new VlmException(
                    ErrorCode.FRAME_SAMPLING_INVALID,
                    "the video came as a list of frames, of which all are taken; leave fps and num_frames out");
        }
        requireFew(files.size());
        List<RgbPicture> frames = new ArrayList<>(files.size());
        int inFiles = 0;
        for (byte[] file : files) {
            checkpoint.run();
            StillPicture picture = pictures.read(file, content.rendering(), checkpoint);
            inFiles = (int) Math.min(Integer.MAX_VALUE, (long) inFiles + picture.framesInFile());
            frames.add(picture.rgb());
            requireSame(frames);
        }
        return new Footage(frames, inFiles);
    }

    private void requireSame(List<RgbPicture> frames) {
        RgbPicture first = frames.getFirst();
        RgbPicture last = frames.getLast();
        if (last.width() != first.width() || last.height() != first.height()) {
            throw new VlmException(
                    ErrorCode.INVALID_REQUEST,
                    "frame " + (frames.size() - 1) + " of the video is " + last.width() + "×" + last.height()
                            + ", frame 0 is " + first.width() + "×" + first.height() + "; expected one size");
        }
        requirePixels(last.width(), last.height(), frames.size());
    }

    private void requireFew(int frames) {
        if (frames > maxFrames) {
            throw new VlmException(
                    ErrorCode.VIDEO_TOO_LONG,
                    "the video has " + frames + " frames, at most " + maxFrames + " are taken; send fewer");
        }
    }

    private void requirePixels(int width, int height, int frames) {
        // Each factor is an int, and a third one comes only where the first two are small.
        long one = (long) width * height;
        if (one > maxPixels || one * frames > maxPixels) {
            throw new VlmException(
                    ErrorCode.PICTURE_TOO_MANY_PIXELS,
                    (frames == 1 ? "the picture is " : "the video's " + frames + " frames are ") + width + "×" + height
                            + ", " + (frames == 1 ? one : "each " + one) + " pixels; at most " + maxPixels
                            + " are accepted" + (frames == 1 ? "" : " together") + ", send it smaller");
        }
    }

    private static FrameSampler require(@Nullable FrameSampler sampler) {
        if (sampler == null) {
            throw new VlmException(ErrorCode.MEDIUM_UNSUPPORTED, "this model takes no videos; send pictures");
        }
        return sampler;
    }

    /**
     * What files have to pass, asked of a size alone.
     *
     * @throws VlmException as {@link #read} does
     */
    void check(PictureSource source, @Nullable FrameSampler sampler) {
        if (source.width() < 1 || source.height() < 1 || source.frames() < 1) {
            throw new VlmException(
                    ErrorCode.INVALID_REQUEST,
                    "the picture is " + source.width() + "×" + source.height() + " in " + source.frames()
                            + " frames, expected at least 1 of each");
        }
        if (source.medium() == Medium.VIDEO) {
            require(sampler);
            requireFew(source.frames());
        }
        requirePixels(source.width(), source.height(), source.frames());
    }
}
