package org.vlmserve.families.preprocess;

import java.util.List;

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

    /** The only frame. */
    public RgbPicture picture() {
        if (frames.size() != 1) {
            throw new IllegalArgumentException("a tile of " + frames.size() + " frames, expected one");
        }
        return frames.getFirst();
    }
}
