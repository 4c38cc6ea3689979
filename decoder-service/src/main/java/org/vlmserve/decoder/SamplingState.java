package org.vlmserve.decoder;

import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;

/** What sampling has to remember of one request: which tokens stand in it, and how often each was generated. */
final class SamplingState {

    private final SamplingParameters parameters;
    private final int mostTokens;
    private int[] tokens;
    private int length;
    private final BitSet seen = new BitSet();
    private final Map<Integer, Integer> generatedCounts = new HashMap<>();
    private int generated;

    /** @param mostTokens length at which the answer ends */
    SamplingState(SamplingParameters parameters, int[] promptIds, int mostTokens) {
        this.parameters = parameters;
        this.mostTokens = mostTokens;
        this.tokens = promptIds.clone();
        this.length = promptIds.length;
        for (int id : promptIds) {
            seen.set(id);
        }
    }

    void accept(int tokenId) {
        if (length == tokens.length) {
            tokens = Arrays.copyOf(tokens, 2 * length + 64);
        }
        tokens[length++] = tokenId;
        seen.set(tokenId);
        generatedCounts.merge(tokenId, 1, Integer::sum);
        generated++;
    }

    SamplingParameters parameters() {
        return parameters;
    }

    /** Tokens of the prompt and of the answer so far, in their order. */
    int token(int index) {
        return tokens[index];
    }

    /** How many tokens prompt and answer have so far. */
    int length() {
        return length;
    }

    /** Whether the next token is the last that the answer may have. */
    boolean isLast() {
        return generated == mostTokens - 1;
    }

    /** Which tokens stand in the prompt and in the answer so far. */
    BitSet seen() {
        return seen;
    }

    /** Tokens of the answer so far, with how often each stands in it. */
    Map<Integer, Integer> generatedCounts() {
        return generatedCounts;
    }

    /** Length of the answer so far, which is the index of the next token. */
    int generated() {
        return generated;
    }
}
