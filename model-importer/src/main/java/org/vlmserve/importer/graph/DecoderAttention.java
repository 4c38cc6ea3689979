package org.vlmserve.importer.graph;

/** Attention over a key-value cache. An implementation declares the cache, and what else it needs, as inputs of the graph. */
public interface DecoderAttention {

    /**
     * @param query [B, S, heads · headDim]
     * @param key [B, S, kvHeads · headDim]
     * @param value [B, S, kvHeads · headDim]
     * @return [B, S, heads · headDim]
     */
    Value apply(String name, int layer, Value query, Value key, Value value);
}
