package org.vlmserve.decoder;

import org.jspecify.annotations.Nullable;

/**
 * A language model over a key-value cache of several slots, as the scheduler sees it. One thread calls it. In all shapes S
 * is the length of a piece of prompt, C the position channels, H the width of an embedding, V the vocabulary.
 */
public interface TokenModel extends AutoCloseable {

    /** Sequences whose cache fits at once, waiting prefixes included. */
    int slots();

    /** Most positions in a slot, prompt and answer together. */
    int contextLength();

    int vocabulary();

    int hidden();

    int positionChannels();

    /** Writes a row of the embedding table, such as a token's, to {@code target[offset, offset + H)}. */
    void embed(int row, float[] target, int offset);

    /**
     * Appends a piece of prompt to a slot that holds {@code past} positions. What the slot held behind them is overwritten.
     *
     * @param embeddings [S, H] in its first elements
     * @param length S
     * @param positions [C][S]
     * @param logits [V], written with the last row's; null when they are not needed
     */
    void prefill(int slot, int past, float[] embeddings, int length, long[][] positions, float @Nullable [] logits);

    /**
     * Appends one token to each of the slots {@code [firstSlot, firstSlot + count)}. To repeat a step is harmless.
     *
     * @param embeddings [count, H] in its first elements
     * @param positions [C][count]
     * @param totals [count], each slot's length with the new token
     * @param logits [count][V], written
     */
    void decode(int firstSlot, int count, float[] embeddings, long[][] positions, int[] totals, float[][] logits);

    /** Copies the first {@code length} positions of a slot's cache to another slot. */
    void copySlot(int from, int to, int length);

    @Override
    void close();
}
