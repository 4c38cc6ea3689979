package org.vlmserve.families.paligemma;

import java.util.List;

/**
 * The manifest's {@code preprocessing} section.
 *
 * @param imageSize side of the square that every picture becomes, in pixels
 * @param patchSize side of a patch in pixels
 * @param rescaleFactor what a byte is multiplied by
 * @param mean [3], subtracted after rescaling
 * @param std [3], divided by
 */
public record PaliGemmaPreprocessing(
        int imageSize, int patchSize, double rescaleFactor, List<Double> mean, List<Double> std) {

    /** Patches along one side. */
    int side() {
        return imageSize / patchSize;
    }
}
