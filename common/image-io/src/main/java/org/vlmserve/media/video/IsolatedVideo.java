package org.vlmserve.media.video;

import java.io.ByteArrayOutputStream;
import java.io.DataInput;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.function.Consumer;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.media.VideoStream;
import org.vlmserve.media.child.ChildJob;
import org.vlmserve.media.child.ChildOutput;
import org.vlmserve.media.child.ChildPool;

/** Videos in a child. Each of the two passes is a job of its own, and a child keeps nothing between them. */
final class IsolatedVideo implements VideoFrames {

    private final ChildPool children;
    private final VideoLimits limits;
    private final Duration time;

    IsolatedVideo(ChildPool children, VideoLimits limits, Duration time) {
        this.children = children;
        this.limits = limits;
        this.time = time;
    }

    @Override
    public VideoStream survey(byte[] file, Runnable checkpoint) {
        return children.run(Survey.class, parameters(new int[0]), file, time, checkpoint, in -> {
            VideoStream stream = new VideoStream(in.readInt(), in.readDouble(), in.readInt(), in.readInt());
            if (stream.frames() < 1
                    || stream.frames() > limits.maxSourceFrames()
                    || !(stream.fps() > 0 && stream.fps() < Double.POSITIVE_INFINITY)
                    || stream.width() < 1
                    || stream.height() < 1
                    || (long) stream.width() * stream.height() > limits.maxFramePixels()) {
                throw new IOException("the child speaks of " + stream);
            }
            return stream;
        });
    }

    @Override
    public int take(byte[] file, int[] wanted, Consumer<RgbPicture> frames, Runnable checkpoint) {
        return children.run(Take.class, parameters(wanted), file, time, checkpoint, in -> {
            int taken = 0;
            while (in.readBoolean()) {
                int width = in.readInt();
                int height = in.readInt();
                long pixels = (long) width * height;
                if (++taken > wanted.length
                        || width < 1
                        || height < 1
                        || pixels > limits.maxFramePixels()
                        || pixels * taken > limits.maxTakenPixels()) {
                    throw new IOException("the child's frame " + taken + " has " + width + "×" + height + " pixels");
                }
                byte[] rgb = new byte[Math.multiplyExact(width * height, 3)];
                in.readFully(rgb);
                frames.accept(new RgbPicture(width, height, rgb));
            }
            return in.readInt();
        });
    }

    private byte[] parameters(int[] wanted) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            out.writeInt(limits.maxSourceFrames());
            out.writeLong(limits.maxFramePixels());
            out.writeLong(limits.maxTakenPixels());
            out.writeInt(wanted.length);
            for (int index : wanted) {
                out.writeInt(index);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("writing to memory", e);
        }
        return bytes.toByteArray();
    }

    private static VideoLimits limits(DataInput parameters) throws IOException {
        return new VideoLimits(parameters.readInt(), parameters.readLong(), parameters.readLong());
    }

    /** The result: frames, frames a second, width and height. */
    public static final class Survey implements ChildJob {

        @Override
        public void run(DataInput parameters, byte[] file, ChildOutput result) throws IOException {
            VideoStream stream = new FfmpegVideo(limits(parameters)).survey(file, result.checkpoint());
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            DataOutputStream out = new DataOutputStream(bytes);
            out.writeInt(stream.frames());
            out.writeDouble(stream.fps());
            out.writeInt(stream.width());
            out.writeInt(stream.height());
            result.write(bytes.toByteArray());
        }
    }

    /** The result: for each frame true, width, height and [height, width, 3]; then false and how many frames were shown. */
    public static final class Take implements ChildJob {

        @Override
        public void run(DataInput parameters, byte[] file, ChildOutput result) throws IOException {
            FfmpegVideo video = new FfmpegVideo(limits(parameters));
            int[] wanted = new int[parameters.readInt()];
            for (int i = 0; i < wanted.length; i++) {
                wanted[i] = parameters.readInt();
            }
            DataOutputStream out = new DataOutputStream(result);
            int shown = video.take(
                    file,
                    wanted,
                    frame -> {
                        try {
                            out.writeBoolean(true);
                            out.writeInt(frame.width());
                            out.writeInt(frame.height());
                            out.write(frame.pixels());
                        } catch (IOException e) {
                            throw new UncheckedIOException(e);
                        }
                    },
                    result.checkpoint());
            out.writeBoolean(false);
            out.writeInt(shown);
        }
    }
}
