package org.vlmserve.importer.graph;

/** How a linear layer's matrix is stored and multiplied. */
public enum WeightFormat {
    /** Float weights, {@code MatMul}. */
    FP32,
    /** Signed bytes with a scale an output channel, times activations quantised a row at a time. */
    ROWWISE_INT8,
    /** 8 bits in blocks with a scale each, {@code MatMulNBits}. */
    BLOCK_INT8,
    /** 4 bits in blocks with a scale each, {@code MatMulNBits}. */
    BLOCK_INT4
}
