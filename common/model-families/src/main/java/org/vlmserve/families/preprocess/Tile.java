package org.vlmserve.families.preprocess;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;

/**
 * What one run of the encoder sees, in 8-bit RGB before rescaling and normalisation: a whole picture, a part of one, or a
 * run of a video's frames.
 *
 * @param frames of one size, at least one
 */
public record Tile(List<RgbPicture> frames) {

    public Tile {
        frames = List.copyOf(frames);
    }

    public static Tile of(RgbPicture picture) {
        return new Tile(List.of(picture));
    }

    /** @param pixels u8 [frames, height, width, 3] */
    public static Tile of(Tensor pixels) {
        int height = pixels.dim(1);
        int width = pixels.dim(2);
        ByteBuffer bytes = pixels.data().duplicate();
        List<RgbPicture> frames = new ArrayList<>();
        for (int frame = 0; frame < pixels.dim(0); frame++) {
            byte[] rgb = new byte[3 * width * height];
            bytes.get(rgb);
            frames.add(new RgbPicture(width, height, rgb));
        }
        return new Tile(frames);
    }

    /** u8 [frames, height, width, 3]. */
    public Tensor pixels() {
        RgbPicture first = frames.getFirst();
        ByteBuffer bytes = ByteBuffer.allocate(byteSize());
        frames.forEach(frame -> bytes.put(frame.pixels()));
        return new Tensor(DType.U8, new int[] {frames.size(), first.height(), first.width(), 3}, bytes.flip());
    }

    /** Bytes of {@link #pixels()}. */
    public int byteSize() {
        return frames.stream().mapToInt(frame -> frame.pixels().length).reduce(0, Math::addExact);
    }

    /** The only frame. */
    public RgbPicture picture() {
        if (frames.size() != 1) {
            throw new IllegalArgumentException("a tile of " + frames.size() + " frames, expected one");
        }
        return frames.getFirst();
    }
}
