package org.vlmserve.importer.graph;

import org.vlmserve.importer.checkpoint.MatrixSource;

/**
 * A linear layer whose weight is kept in few bits.
 *
 * @param name of the layer; its weights are {@code name.weight} and {@code name.scale}
 * @param weight [N, K], of the checkpoint
 */
record QuantizedLayer(String name, WeightFormat format, MatrixSource weight) {}
