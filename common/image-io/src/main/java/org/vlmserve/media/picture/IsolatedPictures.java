package org.vlmserve.media.picture;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.List;
import org.vlmserve.media.FileFormat;
import org.vlmserve.media.PictureReader;
import org.vlmserve.media.StillPicture;
import org.vlmserve.media.child.ChildPool;
import org.vlmserve.protocol.Rendering;

/**
 * Reads pictures, in children where the decoder is native or not ours. PNG, GIF and BMP are decoded here: by Java in this
 * package, with bounds on all that a file's numbers decide. Thread-safe.
 */
public final class IsolatedPictures implements PictureReader {

    private final ChildPool children;
    private final PictureLimits limits;
    private final Duration time;

    /** @param time that a child has for one picture */
    public IsolatedPictures(ChildPool children, PictureLimits limits, Duration time) {
        this.children = children;
        this.limits = limits;
        this.time = time;
    }

    @Override
    public StillPicture read(byte[] file, Rendering rendering, Runnable checkpoint) {
        return switch (FileFormat.requirePicture(file, null)) {
            case PNG, GIF, BMP -> PictureDecoder.still(file, limits, rendering, checkpoint);
            default ->
                children.run(
                        PictureJob.class,
                        PictureJob.parameters(limits, rendering),
                        file,
                        time,
                        checkpoint,
                        in -> PictureJob.read(in, limits));
        };
    }

    /** Reads one small picture of each format that children decode, so that the first of a caller is not the slow one. */
    public void warmUp() {
        children.warmUp();
        for (String name : List.of("warm-up.jpg", "warm-up.webp", "warm-up.tiff")) {
            try (InputStream in = IsolatedPictures.class.getResourceAsStream(name)) {
                if (in == null) {
                    throw new IllegalStateException("this program lacks its resource " + name);
                }
                read(in.readAllBytes(), Rendering.VIEWER, () -> {});
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
