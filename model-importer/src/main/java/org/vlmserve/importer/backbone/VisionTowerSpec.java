package org.vlmserve.importer.backbone;

import java.util.List;
import org.vlmserve.importer.graph.Activation;

/**
 * The sizes and choices of a vision transformer with learned positions, which is what the towers of
 * arXiv:2103.00020 (CLIP) and arXiv:2303.15343 are.
 *
 * @param imageSize side of the square picture in pixels
 * @param classToken whether a learned row stands before the patches
 * @param patchBias whether the patch embedding has a bias
 * @param preNorm whether the embeddings are normalised before the first block
 * @param postNorm whether the features are normalised after the last block
 * @param featureLayers whose outputs are the features, side by side: 0 is what enters the first block, n what leaves block n
 * @param keepClassToken whether the features keep the class token's row
 */
public record VisionTowerSpec(
        int width,
        int intermediate,
        int heads,
        int imageSize,
        int patchSize,
        double layerNormEps,
        Activation activation,
        boolean classToken,
        boolean patchBias,
        boolean preNorm,
        boolean postNorm,
        List<Integer> featureLayers,
        boolean keepClassToken) {

    public int patches() {
        return (imageSize / patchSize) * (imageSize / patchSize);
    }

    /** Columns of {@code pixel_values}: channels × patch × patch. */
    public int patchWidth() {
        return 3 * patchSize * patchSize;
    }

    /** Columns of the features. */
    public int featureWidth() {
        return width * featureLayers.size();
    }
}
