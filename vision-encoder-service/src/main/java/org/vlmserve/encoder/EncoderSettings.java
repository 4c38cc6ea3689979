package org.vlmserve.encoder;

import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;
import org.springframework.util.unit.DataSize;

/**
 * {@code vlm.encoder}.
 *
 * @param workers pictures of one model that are encoded at once
 * @param maxSourcePixels pictures with more pixels are refused before they are decoded; so are videos whose taken frames have
 *     more together
 */
@ConfigurationProperties("vlm.encoder")
public record EncoderSettings(
        @DefaultValue("1") int workers,
        @DefaultValue("100000000") long maxSourcePixels,
        @DefaultValue ResizingSettings resizing,
        @DefaultValue VideoSettings video,
        @DefaultValue DecodingSettings decoding) {

    public EncoderSettings {
        if (workers < 1 || maxSourcePixels < 1) {
            throw new IllegalArgumentException("vlm.encoder.workers is " + workers + " and max-source-pixels "
                    + maxSourcePixels + "; expected at least 1 of each");
        }
    }

    /**
     * {@code vlm.encoder.resizing}.
     *
     * @param maxPixels most of a picture, or of a video's frame, after resizing; the model's own limit where this is absent or larger
     * @param beyondModel whether a caller's {@code min_pixels} and {@code max_pixels} may go beyond the model's own limits, as they may
     *     in the reference; {@code maxPixels} then is the only bound
     */
    public record ResizingSettings(
            @Nullable Long maxPixels, @DefaultValue("false") boolean beyondModel) {

        public ResizingSettings {
            if (maxPixels != null && maxPixels < 1) {
                throw new IllegalArgumentException(
                        "vlm.encoder.resizing.max-pixels is " + maxPixels + "; expected at least 1");
            }
        }

        PixelBounds bounds() {
            return new PixelBounds(maxPixels, beyondModel);
        }
    }

    /**
     * {@code vlm.encoder.video}.
     *
     * @param fps frames that are taken for each second of a file where neither the caller nor the checkpoint says anything
     * @param maxFrames most frames that are taken of a file, or come as a list
     * @param maxSourceFrames videos of more frames, taken or not, are refused
     * @param maxFramePixels videos of larger frames are refused
     */
    public record VideoSettings(
            @DefaultValue("2") double fps,
            @DefaultValue("32") int maxFrames,
            @DefaultValue("18000") int maxSourceFrames,
            @DefaultValue("8912896") long maxFramePixels) {

        public VideoSettings {
            if (!(fps > 0) || maxFrames < 2 || maxSourceFrames < 1 || maxFramePixels < 1) {
                throw new IllegalArgumentException("vlm.encoder.video.fps is " + fps + ", max-frames " + maxFrames
                        + ", max-source-frames " + maxSourceFrames + " and max-frame-pixels " + maxFramePixels
                        + "; expected fps above 0, at least 2 frames and at least 1 of the others");
            }
        }
    }

    /**
     * {@code vlm.encoder.decoding}: the processes that decode JPEG, WebP, TIFF and videos.
     *
     * @param processes how many there are, for all models together
     * @param heap of each; what a file's numbers ask for has to fit into all but {@link #RESERVE} of it
     * @param memory of each in all, native memory included
     * @param pictureTime that one picture may take
     * @param videoTime that one pass over a video may take, of two
     * @param silence without a sign of life after which a decoder is ended
     * @param filesPerProcess after which a process is replaced
     */
    public record DecodingSettings(
            @DefaultValue("2") int processes,
            @DefaultValue("640MB") DataSize heap,
            @DefaultValue("1GB") DataSize memory,
            @DefaultValue("30s") Duration pictureTime,
            @DefaultValue("5m") Duration videoTime,
            @DefaultValue("20s") Duration silence,
            @DefaultValue("1000") int filesPerProcess) {

        /** What a decoder needs beside what its file's numbers ask for: the file itself, twice, and the program. */
        static final DataSize RESERVE = DataSize.ofMegabytes(96);

        public DecodingSettings {
            if (processes < 1 || filesPerProcess < 1) {
                throw new IllegalArgumentException("vlm.encoder.decoding.processes is " + processes
                        + " and files-per-process " + filesPerProcess + "; expected at least 1 of each");
            }
            if (heap.compareTo(DataSize.ofMegabytes(128)) < 0 || memory.compareTo(heap) < 0) {
                throw new IllegalArgumentException("vlm.encoder.decoding.heap is " + heap + " and memory " + memory
                        + "; expected a heap of at least 128MB, and no less memory than heap");
            }
            if (!pictureTime.isPositive() || !videoTime.isPositive() || !silence.isPositive()) {
                throw new IllegalArgumentException("vlm.encoder.decoding.picture-time is " + pictureTime
                        + ", video-time " + videoTime + " and silence " + silence + "; expected times above 0");
            }
        }

        long heapBytes() {
            return heap.toBytes();
        }

        long memoryBytes() {
            return memory.toBytes();
        }

        /** Bytes that a picture may take while it is decoded, in a process or here. */
        long maxBytes() {
            return heap.toBytes() - RESERVE.toBytes();
        }
    }
}
