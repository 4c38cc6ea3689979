package org.vlmserve.encoder;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import org.vlmserve.encoder.EncoderSettings.DecodingSettings;
import org.vlmserve.encoder.EncoderSettings.VideoSettings;
import org.vlmserve.media.PictureReader;
import org.vlmserve.media.child.ChildEvents;
import org.vlmserve.media.child.ChildPool;
import org.vlmserve.media.child.ChildPoolConfig;
import org.vlmserve.media.picture.IsolatedPictures;
import org.vlmserve.media.picture.PictureLimits;
import org.vlmserve.media.video.VideoDecoder;
import org.vlmserve.media.video.VideoLimits;

/** A service's decoders and the processes that they run in, for all of its models. Thread-safe. */
public final class Decoders implements AutoCloseable {

    private final ChildPool children;
    private final IsolatedPictures pictures;
    private final VideoDecoder videos;

    public Decoders(EncoderSettings settings, MeterRegistry meters) {
        DecodingSettings decoding = settings.decoding();
        VideoSettings video = settings.video();
        children = new ChildPool(
                new ChildPoolConfig(
                        decoding.processes(),
                        decoding.heapBytes(),
                        decoding.memoryBytes(),
                        decoding.silence(),
                        decoding.filesPerProcess()),
                new Counting(meters));
        pictures = new IsolatedPictures(
                children, new PictureLimits(settings.maxSourcePixels(), decoding.maxBytes()), decoding.pictureTime());
        videos = VideoDecoder.isolated(
                children,
                new VideoLimits(video.maxSourceFrames(), video.maxFramePixels(), settings.maxSourcePixels()),
                decoding.videoTime());
    }

    PictureReader pictures() {
        return pictures;
    }

    VideoDecoder videos() {
        return videos;
    }

    /** Starts the processes, so that the first picture finds them. */
    void warmUp() {
        pictures.warmUp();
    }

    boolean healthy() {
        return children.healthy();
    }

    @Override
    public void close() {
        children.close();
    }

    private record Counting(MeterRegistry meters) implements ChildEvents {

        @Override
        public void started() {
            Counter.builder("vlm.encoder.decoding.processes.started")
                    .description("processes for decoding that came up")
                    .register(meters)
                    .increment();
        }

        @Override
        public void ended(String reason) {
            Counter.builder("vlm.encoder.decoding.processes.ended")
                    .description("processes for decoding that ended, by reason: what a file did to one, or its age")
                    .tag("reason", reason)
                    .register(meters)
                    .increment();
        }
    }
}
