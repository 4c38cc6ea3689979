package org.vlmserve.families.prompt;

/** A checkpoint's tokenizer. Thread-safe. */
public interface Tokenizer {

    /** Token ids of a text in which special tokens are recognised, without adding any. */
    int[] encode(String text);

    /**
     * Tokens that the text takes at least, told from its length alone; 0 where nothing is known. The longest token's bytes are all that
     * one token can stand for.
     */
    default int leastTokens(String text) {
        return 0;
    }

    /** The token's own bytes; they need not be whole characters. Empty for an id beyond the vocabulary. */
    byte[] bytes(int tokenId);

    /** Whether decoding leaves this token out, as the reference does with {@code skip_special_tokens}. */
    boolean isSpecial(int tokenId);

    /** A decoder for one answer. */
    IncrementalDecoder incrementalDecoder();

    /** Turns tokens into text piece by piece; the pieces joined are the reference's decoding of all tokens. */
    interface IncrementalDecoder {

        /** What the text grows by; empty while a multi-byte character is incomplete. */
        String next(int tokenId);

        /** What is left when no more tokens come. */
        String finish();
    }
}
