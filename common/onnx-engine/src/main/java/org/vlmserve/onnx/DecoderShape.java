package org.vlmserve.onnx;

/**
 * The sizes of a decoder graph.
 *
 * @param hidden width H of an embedding
 * @param vocabulary columns V of the logits
 * @param positionChannels 1 for RoPE, 3 for M-RoPE
 */
public record DecoderShape(int layers, int kvHeads, int headDim, int hidden, int vocabulary, int positionChannels) {}
