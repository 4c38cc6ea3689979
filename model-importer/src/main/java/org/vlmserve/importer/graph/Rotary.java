package org.vlmserve.importer.graph;

/**
 * Rotary positions. An implementation declares {@code position_ids} as an input of the graph. Source: arXiv:2104.09864.
 */
public interface Rotary {

    /** x [B, S, heads · headDim] → the same, turned. */
    Value apply(String name, Value x, int heads);
}
