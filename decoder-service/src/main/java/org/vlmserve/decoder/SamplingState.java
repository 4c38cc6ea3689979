package org.vlmserve.decoder;

import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;

/** What sampling has to remember of one request: which tokens stand in it, and how often each was generated. */
final class SamplingState {

    private final SamplingParameters parameters;
    private final BitSet seen = new BitSet();
    private final Map<Integer, Integer> generatedCounts = new HashMap<>();
    private int generated;

    SamplingState(SamplingParameters parameters, int[] promptIds) {
        this.parameters = parameters;
        for (int id : promptIds) {
            seen.set(id);
        }
    }

    void accept(int tokenId) {
        seen.set(tokenId);
        generatedCounts.merge(tokenId, 1, Integer::sum);
        generated++;
    }

    SamplingParameters parameters() {
        return parameters;
    }

    /** Tokens of the prompt and of the answer so far. */
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
