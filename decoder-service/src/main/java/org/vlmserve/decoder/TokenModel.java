package org.vlmserve.decoder;

import java.nio.FloatBuffer;

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

    /** Puts the embedding of a token, H floats, at the buffer's position and moves the position behind it. */
    void embed(int tokenId, FloatBuffer target);

    /**
     * Appends a piece of prompt to a slot that holds {@code past} positions. What the slot held behind them is overwritten.
     *
     * @param embeddings direct, [S, H] from position to limit
     * @param positions [C][S]
     * @param wantLogits whether the last row's logits are needed
     * @return [V], valid until the next {@code prefill} or {@code decode}; empty unless wanted
     */
    FloatBuffer prefill(int slot, int past, FloatBuffer embeddings, long[][] positions, boolean wantLogits);

    /**
     * Appends one token to each of the slots {@code [firstSlot, firstSlot + count)}. To repeat a step is harmless.
     *
     * @param embeddings direct, [count, H] from position to limit
     * @param positions [C][count]
     * @param totals [count], each slot's length with the new token
     * @return [count, V], valid until the next {@code prefill} or {@code decode}
     */
    FloatBuffer decode(int firstSlot, int count, FloatBuffer embeddings, long[][] positions, int[] totals);

    /** Copies the first {@code length} positions of a slot's cache to another slot. */
    void copySlot(int from, int to, int length);

    @Override
    void close();
}
