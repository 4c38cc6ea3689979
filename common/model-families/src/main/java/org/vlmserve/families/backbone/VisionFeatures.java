package org.vlmserve.families.backbone;

import java.util.List;
import org.vlmserve.families.checkpoint.CheckpointJson;

/**
 * Which of a tower's rows and layers a projector gets.
 *
 * @param layers whose outputs stand side by side: 0 is what enters the first block, n what leaves block n
 * @param classToken whether the class token's row is kept, before those of the patches
 */
public record VisionFeatures(List<Integer> layers, boolean classToken) {

    /** {@code vision_feature_layer}, where a negative number counts from the end, and {@code vision_feature_select_strategy}. */
    public static VisionFeatures read(CheckpointJson config, ClipTower tower) {
        List<Integer> layers = config.intOrInts("vision_feature_layer", List.of(-2)).stream()
                .map(layer -> layer < 0 ? layer + tower.layers() + 1 : layer)
                .toList();
        if (layers.isEmpty() || layers.stream().anyMatch(layer -> layer < 0 || layer > tower.layers())) {
            throw config.unreadable(
                    "vision_feature_layer",
                    "layers of a tower that has " + tower.layers() + ", counted from 0 or from -1");
        }
        String strategy = config.string("vision_feature_select_strategy", "default");
        if (!List.of("default", "full").contains(strategy)) {
            throw config.unsupported("vision_feature_select_strategy", "default, full");
        }
        return new VisionFeatures(layers, strategy.equals("full"));
    }

    /** Rows of one picture or tile. */
    public int rows(ClipTower tower) {
        return tower.side() * tower.side() + (classToken ? 1 : 0);
    }
}
