package org.vlmserve.testing.fuzz;

import java.util.List;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;

/**
 * Inputs made from good ones. An input follows from the seed and its index alone, so either of them that is changed gives another, and
 * any of them can be made again without those before it.
 */
public final class Mutator {

    /** Bytes of the largest input; mutations that lengthen one stop there. */
    public static final int LARGEST = 4 << 20;

    private static final int MOST_MUTATIONS = 4;

    private final List<byte[]> corpus;
    private final List<Mutation> mutations;
    private final long seed;

    /**
     * @param corpus inputs that a reader takes, and others from which a mutation may lead somewhere
     * @param mutations of which each input gets one to four
     */
    public Mutator(List<byte[]> corpus, List<Mutation> mutations, long seed) {
        if (corpus.isEmpty() || mutations.isEmpty()) {
            throw new IllegalArgumentException("a mutator of " + corpus.size() + " inputs and " + mutations.size()
                    + " mutations has nothing to do");
        }
        this.corpus = List.copyOf(corpus);
        this.mutations = List.copyOf(mutations);
        this.seed = seed;
    }

    public byte[] input(long index) {
        // The golden ratio's bits, as in SplittableRandom: neighbouring indices have streams that have nothing in
        // common.
        RandomGenerator random = new SplittableRandom(seed + (index + 1) * 0x9e3779b97f4a7c15L);
        byte[] input = TextMutations.pick(corpus, random);
        int count = 1;
        while (count < MOST_MUTATIONS && random.nextInt(3) == 0) {
            count++;
        }
        for (int i = 0; i < count; i++) {
            byte[] other = TextMutations.pick(corpus, random);
            byte[] changed = TextMutations.pick(mutations, random).mutate(input, other, random);
            if (changed.length <= LARGEST) {
                input = changed;
            }
        }
        return input;
    }
}
