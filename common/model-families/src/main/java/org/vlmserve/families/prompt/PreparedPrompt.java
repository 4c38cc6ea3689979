package org.vlmserve.families.prompt;

/**
 * A prompt of S tokens, ready to be embedded.
 *
 * @param text the rendered template, before pictures are expanded
 * @param tokenIds [S], the reference's {@code input_ids}: placeholders where pictures stand
 * @param picture [S], which picture's embeddings fill this position, or -1 for the embedding table
 * @param row [S], the row of that picture's embeddings or of the embedding table: the token id where a text stands, a row
 *     behind the vocabulary for a learned vector that is no token
 * @param positions [channels][S], rotary positions; one channel for plain RoPE, three (time, height, width) for M-RoPE
 * @param nextPosition the position of the first generated token in every channel; each further token is one more
 * @param pictureTokens how many of the S positions are pictures'
 * @param prefill how the prompt is prefilled
 */
public record PreparedPrompt(
        String text,
        int[] tokenIds,
        int[] picture,
        int[] row,
        long[][] positions,
        long nextPosition,
        int pictureTokens,
        Prefill prefill) {

    public int length() {
        return tokenIds.length;
    }

    /** How the positions of a prompt see each other. */
    public enum Prefill {
        /** Each position sees those before it: chunks and prefix reuse are possible. */
        CAUSAL,
        /** All positions of the prompt see each other: it is prefilled in one piece. */
        WHOLE_PREFIX
    }
}
