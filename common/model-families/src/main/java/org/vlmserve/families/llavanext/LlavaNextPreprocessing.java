package org.vlmserve.families.llavanext;

import java.util.ArrayList;
import java.util.List;
import org.vlmserve.families.backbone.ClipTower;
import org.vlmserve.families.checkpoint.CheckpointJson;
import org.vlmserve.families.checkpoint.PixelScale;
import tools.jackson.databind.JsonNode;

/**
 * The manifest's {@code preprocessing} section.
 *
 * @param tileSize side of the square that the encoder sees, in pixels
 * @param patchSize side of a patch in pixels
 * @param pinpoints sizes of the canvases that a picture may be put on, in the order in which they are tried
 * @param scale from bytes to the encoder's numbers
 */
public record LlavaNextPreprocessing(int tileSize, int patchSize, List<Pinpoint> pinpoints, PixelScale scale) {

    /** Whole tiles; in pixels. */
    public record Pinpoint(int height, int width) {}

    private static final String PINPOINTS = "image_grid_pinpoints";
    private static final int ABSENT_SIZE = 224;
    private static final List<Pinpoint> ABSENT = List.of(
            new Pinpoint(336, 672),
            new Pinpoint(672, 336),
            new Pinpoint(672, 672),
            new Pinpoint(1008, 336),
            new Pinpoint(336, 1008));

    /** Patches along a tile's side. */
    int side() {
        return tileSize / patchSize;
    }

    static LlavaNextPreprocessing read(CheckpointJson images, CheckpointJson config, ClipTower tower) {
        String key = "image_processor_type";
        if (!images.string(key, "LlavaNextImageProcessor").matches("LlavaNextImageProcessor(Fast)?")) {
            throw images.unsupported(key, "LlavaNextImageProcessor");
        }
        tile(images, "size", tower);
        tile(images, "crop_size", tower);
        List<Pinpoint> pinpoints = pinpoints(images, tower);
        if (!pinpoints.equals(pinpoints(config, tower))) {
            throw config.unreadable(PINPOINTS, "the picture processor's, " + pinpoints);
        }
        return new LlavaNextPreprocessing(tower.imageSize(), tower.patchSize(), pinpoints, PixelScale.clip(images));
    }

    /** Picture processor and encoder each have this number; a checkpoint in which they differ cannot work. */
    private static void tile(CheckpointJson images, String key, ClipTower tower) {
        JsonNode size = images.node(key);
        JsonNode edge = size.has("shortest_edge") ? size.path("shortest_edge") : size;
        int height = edge.isNumber() ? edge.asInt(0) : size.path("height").asInt(ABSENT_SIZE);
        int width = edge.isNumber() ? edge.asInt(0) : size.path("width").asInt(ABSENT_SIZE);
        if (height != tower.imageSize() || width != tower.imageSize()) {
            throw images.unreadable(key, "the vision encoder's image_size, " + tower.imageSize());
        }
    }

    private static List<Pinpoint> pinpoints(CheckpointJson owner, ClipTower tower) {
        List<Pinpoint> found = new ArrayList<>();
        for (JsonNode pair : owner.node(PINPOINTS)) {
            found.add(new Pinpoint(pair.path(0).asInt(0), pair.path(1).asInt(0)));
        }
        List<Pinpoint> pinpoints = owner.has(PINPOINTS) ? found : ABSENT;
        int side = tower.imageSize();
        for (Pinpoint each : pinpoints) {
            if (each.height() < side || each.width() < side || each.height() % side != 0 || each.width() % side != 0) {
                throw owner.unreadable(PINPOINTS, "pairs of height and width, multiples of image_size, " + side);
            }
        }
        if (pinpoints.isEmpty()) {
            throw owner.unreadable(PINPOINTS, "at least one pair of height and width");
        }
        return pinpoints;
    }
}
