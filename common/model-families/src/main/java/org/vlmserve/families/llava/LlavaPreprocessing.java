package org.vlmserve.families.llava;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.backbone.ClipTower;
import org.vlmserve.families.backbone.VisionFeatures;
import org.vlmserve.families.checkpoint.CheckpointJson;
import org.vlmserve.families.checkpoint.PixelScale;
import tools.jackson.databind.JsonNode;

/**
 * The manifest's {@code preprocessing} section.
 *
 * @param imageSize side of the square that the encoder sees, in pixels
 * @param patchSize side of a patch in pixels
 * @param rows that the encoder gives for a picture
 * @param padToSquare whether the picture is padded with the mean colour before it is resized
 * @param shortestEdge what the shorter side becomes before the middle is cut out; null for a picture that is stretched
 * @param scale from bytes to the encoder's numbers
 */
public record LlavaPreprocessing(
        int imageSize,
        int patchSize,
        int rows,
        boolean padToSquare,
        @Nullable Integer shortestEdge,
        PixelScale scale) {

    private static final int ABSENT_SIZE = 224;

    /** The processors of Hub checkpoints; of these, the second alone pads. */
    private static final List<String> KINDS = List.of("CLIPImageProcessor", "LlavaImageProcessor");

    static LlavaPreprocessing read(CheckpointJson images, ClipTower tower, VisionFeatures features) {
        String key = images.has("image_processor_type") ? "image_processor_type" : "feature_extractor_type";
        String kind = images.string(key, KINDS.getLast()).replace("FeatureExtractor", "ImageProcessor");
        if (kind.endsWith("Fast")) {
            kind = kind.substring(0, kind.length() - "Fast".length());
        }
        if (!KINDS.contains(kind)) {
            throw images.unsupported(key, String.join(", ", KINDS));
        }
        if (!images.booleanValue("do_resize", true)) {
            throw images.unsupported("do_resize", "true");
        }
        boolean crop = images.booleanValue("do_center_crop", true);
        Integer edge = shortestEdge(images);
        if (crop) {
            side(images, "crop_size", tower);
        } else if (edge != null) {
            throw images.unsupported("do_center_crop", "true where size.shortest_edge keeps the aspect ratio");
        }
        if (edge == null) {
            side(images, "size", tower);
        }
        boolean pad = kind.equals(KINDS.getLast()) && images.booleanValue("do_pad", false);
        return new LlavaPreprocessing(
                tower.imageSize(), tower.patchSize(), features.rows(tower), pad, edge, PixelScale.clip(images));
    }

    /** The same, padding as something other than the picture processor says. */
    LlavaPreprocessing padded(boolean pad) {
        return new LlavaPreprocessing(imageSize, patchSize, rows, pad, shortestEdge, scale);
    }

    /** A number alone is the shorter side, too; null for height and width. */
    private static @Nullable Integer shortestEdge(CheckpointJson images) {
        if (!images.has("size")) {
            return ABSENT_SIZE;
        }
        if (images.node("size").isNumber()) {
            return images.positiveInt("size", ABSENT_SIZE);
        }
        CheckpointJson size = images.object("size");
        if (size.has("longest_edge")) {
            throw size.unsupported("longest_edge", "shortest_edge alone, or height and width");
        }
        return size.has("shortest_edge") ? Integer.valueOf(size.positiveInt("shortest_edge", ABSENT_SIZE)) : null;
    }

    /** Picture processor and encoder each have this number; a checkpoint in which they differ cannot work. */
    private static void side(CheckpointJson images, String key, ClipTower tower) {
        JsonNode size = images.node(key);
        int expected = tower.imageSize();
        int height =
                size.isNumber() ? images.requireInt(key) : size.path("height").asInt(ABSENT_SIZE);
        int width =
                size.isNumber() ? images.requireInt(key) : size.path("width").asInt(ABSENT_SIZE);
        if (height != expected || width != expected) {
            throw images.unreadable(key, "the vision encoder's image_size, " + expected);
        }
    }
}
