package org.vlmserve.decoder;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import org.vlmserve.families.bundle.BundleManifest.Constraints;
import org.vlmserve.families.bundle.BundleManifest.SequenceBias;

/**
 * Chooses the next token from logits [V]. Keeps scratch arrays, so one thread uses it; a request's own memory is in
 * {@link SamplingState}.
 *
 * <p>Steps, in this order, which transformers ({@code GenerationMixin._get_logits_processor}) and vLLM
 * ({@code v1/sample/sampler.py}) agree on up to the last three, where this follows transformers:
 *
 * <ol>
 *   <li>logit bias is added, and the checkpoint's {@code sequence_bias};
 *   <li>repetition penalty, over prompt and answer: a positive logit is divided by it, a negative one multiplied
 *       ({@code RepetitionPenaltyLogitsProcessor});
 *   <li>frequency penalty times the token's count, and presence penalty, over the answer only, are subtracted (OpenAI);
 *   <li>what would repeat a run of {@code no_repeat_ngram_size} tokens, and what would complete one of {@code bad_words_ids}, is
 *       impossible;
 *   <li>end tokens are impossible before {@code min_tokens};
 *   <li>{@code forced_bos_token_id} is the only choice behind a prompt of one token, {@code forced_eos_token_id} where the length
 *       is reached; {@code suppress_tokens}, and at the beginning {@code begin_suppress_tokens}, are impossible;
 *   <li>temperature 0: the largest logit, the lowest id of equals. Otherwise logits are divided by the temperature;
 *   <li>top-k: logits below the k-th largest go, its equals stay;
 *   <li>top-p: a token goes when those before it, by falling logit and rising id, already hold top-p of the probability;
 *   <li>min-p: a token goes when its probability is below min-p times the largest one;
 *   <li>inverse transform over what is left, by rising id. The uniform number is a function of seed and token index only,
 *       so that a decoder that takes over continues as the first would have.
 * </ol>
 *
 * Sums are in double precision.
 */
final class Sampler {

    private final float[] adjusted;
    private final double[] weights;
    private final long[] order;

    Sampler(int vocabulary) {
        adjusted = new float[vocabulary];
        weights = new double[vocabulary];
        order = new long[vocabulary];
    }

    /**
     * @param logits [V]
     * @return the chosen token id; {@code state} is not told
     */
    int next(SamplingState state, float[] logits) {
        SamplingParameters parameters = state.parameters();
        System.arraycopy(logits, 0, adjusted, 0, adjusted.length);
        penalise(state, adjusted);
        int best = argmax(adjusted);
        if (parameters.temperature() == 0) {
            return best;
        }
        return draw(parameters, adjusted, adjusted[best], uniform(parameters.seed(), state.generated()));
    }

    private static void penalise(SamplingState state, float[] logits) {
        SamplingParameters parameters = state.parameters();
        Constraints constraints = parameters.constraints();
        parameters.logitBias().forEach((id, bias) -> logits[id] += bias.floatValue());
        for (SequenceBias each : constraints.sequenceBias()) {
            if (completes(state, each.tokens()) && each.tokens().getLast() < logits.length) {
                logits[each.tokens().getLast()] += (float) each.bias();
            }
        }
        double repetition = parameters.repetitionPenalty();
        if (repetition != 1) {
            // ids behind the vocabulary stand for learned vectors: they have an embedding but no logit
            for (int id = state.seen().nextSetBit(0);
                    id >= 0 && id < logits.length;
                    id = state.seen().nextSetBit(id + 1)) {
                logits[id] = (float) (logits[id] < 0 ? logits[id] * repetition : logits[id] / repetition);
            }
        }
        if (parameters.frequencyPenalty() != 0 || parameters.presencePenalty() != 0) {
            state.generatedCounts()
                    .forEach((id, count) -> logits[id] -=
                            (float) (parameters.frequencyPenalty() * count + parameters.presencePenalty()));
        }
        forbidRepeatedRuns(state, constraints.noRepeatNgramSize(), logits);
        for (List<Integer> word : constraints.badWords()) {
            // An end token alone is no bad word: the answer could never end.
            boolean end = word.size() == 1 && parameters.endTokens().contains(word.getFirst());
            if (!end && completes(state, word)) {
                forbid(word.getLast(), logits);
            }
        }
        if (state.generated() < parameters.minTokens()) {
            parameters.endTokens().forEach(id -> forbid(id, logits));
        }
        if (constraints.forcedBosTokenId() != null && state.length() == 1) {
            force(List.of(constraints.forcedBosTokenId()), logits);
        }
        if (!constraints.forcedEosTokenIds().isEmpty() && state.isLast()) {
            force(constraints.forcedEosTokenIds(), logits);
        }
        constraints.suppressTokens().forEach(id -> forbid(id, logits));
        if (state.generated() == 0) {
            constraints.beginSuppressTokens().forEach(id -> forbid(id, logits));
        }
    }

    /** Whether all of a run but its last token are the last tokens so far. */
    private static boolean completes(SamplingState state, List<Integer> run) {
        int from = state.length() - (run.size() - 1);
        if (from < 0) {
            return false;
        }
        for (int i = 0; i < run.size() - 1; i++) {
            if (state.token(from + i) != run.get(i)) {
                return false;
            }
        }
        return true;
    }

    /** Makes impossible what would end a run of {@code size} tokens that stands in prompt or answer already. */
    private static void forbidRepeatedRuns(SamplingState state, int size, float[] logits) {
        if (size == 0) {
            return;
        }
        int last = state.length() - (size - 1);
        for (int from = 0; from + size <= state.length(); from++) {
            int same = 0;
            while (same < size - 1 && state.token(from + same) == state.token(last + same)) {
                same++;
            }
            if (same == size - 1) {
                forbid(state.token(from + size - 1), logits);
            }
        }
    }

    private static void forbid(int id, float[] logits) {
        if (id >= 0 && id < logits.length) {
            logits[id] = Float.NEGATIVE_INFINITY;
        }
    }

    private static void force(List<Integer> ids, float[] logits) {
        Arrays.fill(logits, Float.NEGATIVE_INFINITY);
        for (int id : ids) {
            if (id >= 0 && id < logits.length) {
                logits[id] = 0;
            }
        }
    }

    /** @throws IllegalStateException for logits that no model in order gives */
    private static int argmax(float[] logits) {
        int best = -1;
        float largest = Float.NEGATIVE_INFINITY;
        for (int id = 0; id < logits.length; id++) {
            float logit = logits[id];
            if (logit > largest) {
                largest = logit;
                best = id;
            } else if (Float.isNaN(logit)) {
                throw new IllegalStateException("logit of token " + id + " is not a number");
            }
        }
        if (best < 0 || largest == Float.POSITIVE_INFINITY) {
            throw new IllegalStateException("largest logit is " + largest + ", expected a finite number");
        }
        return best;
    }

    private int draw(SamplingParameters parameters, float[] logits, float largest, double uniform) {
        int vocabulary = logits.length;
        float smallestKept = parameters.topK() > 0 && parameters.topK() < vocabulary
                ? kthLargest(logits, parameters.topK())
                : Float.NEGATIVE_INFINITY;
        double sum = 0;
        for (int id = 0; id < vocabulary; id++) {
            // the largest weight is 1
            double weight = logits[id] >= smallestKept
                    ? Math.exp(((double) logits[id] - largest) / parameters.temperature())
                    : 0;
            weights[id] = weight;
            sum += weight;
        }
        if (parameters.topP() < 1) {
            keepNucleus(logits, parameters.topP(), sum);
        }
        double kept = 0;
        for (int id = 0; id < vocabulary; id++) {
            if (weights[id] < parameters.minP()) {
                weights[id] = 0;
            }
            kept += weights[id];
        }
        double target = uniform * kept;
        double passed = 0;
        int last = -1;
        for (int id = 0; id < vocabulary; id++) {
            if (weights[id] > 0) {
                passed += weights[id];
                last = id;
                if (passed > target) {
                    return id;
                }
            }
        }
        return last;
    }

    /** A min-heap of the k largest so far; its root is the answer. O(V log k), close to O(V) in practice. */
    private static float kthLargest(float[] logits, int k) {
        float[] heap = Arrays.copyOf(logits, k);
        Arrays.sort(heap);
        for (int id = k; id < logits.length; id++) {
            if (logits[id] > heap[0]) {
                float value = logits[id];
                int at = 0;
                for (int child = 1; child < k; child = 2 * at + 1) {
                    if (child + 1 < k && heap[child + 1] < heap[child]) {
                        child++;
                    }
                    if (heap[child] >= value) {
                        break;
                    }
                    heap[at] = heap[child];
                    at = child;
                }
                heap[at] = value;
            }
        }
        return heap[0];
    }

    /** Sets the weights outside the nucleus to 0. */
    private void keepNucleus(float[] logits, double topP, double sum) {
        // All tokens with less than an equal share of 1 - topP hold less than 1 - topP together, so all of them are
        // outside and need not be sorted: of a hundred thousand tokens a few hundred are left.
        double negligible = (1 - topP) * sum / logits.length;
        int candidates = 0;
        for (int id = 0; id < logits.length; id++) {
            if (weights[id] >= negligible && weights[id] > 0) {
                order[candidates++] = falling(logits[id], id);
            } else {
                weights[id] = 0;
            }
        }
        Arrays.sort(order, 0, candidates);
        double before = 0;
        for (int i = 0; i < candidates; i++) {
            int id = (int) order[i];
            double weight = weights[id];
            if (i > 0 && before >= topP * sum) {
                weights[id] = 0;
            }
            before += weight;
        }
    }

    /** A key that sorts by falling logit, then by rising id. */
    private static long falling(float logit, int id) {
        int bits = Float.floatToIntBits(logit);
        int rising = bits < 0 ? bits ^ Integer.MAX_VALUE : bits;
        return (long) ~rising << 32 | id;
    }

    /** In [0, 1). SplitMix64's finaliser (Steele, Lea and Flood, OOPSLA 2014) over seed and index. */
    static double uniform(long seed, int index) {
        long z = mix(mix(seed) + (index + 1L) * 0x9e3779b97f4a7c15L);
        return (z >>> 11) * 0x1.0p-53;
    }

    private static long mix(long z) {
        long x = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
        x = (x ^ (x >>> 27)) * 0x94d049bb133111ebL;
        return x ^ (x >>> 31);
    }

    /** A token and the natural logarithm of its probability. */
    record Scored(int tokenId, double logprob) {}

    /**
     * Log-probabilities of the model itself: the natural logarithm of the softmax of its raw logits.
     *
     * @param logits [V]
     */
    static final class LogProbabilities {

        private final float[] logits;
        private final double logOfSum;

        LogProbabilities(float[] logits) {
            this.logits = logits;
            double largest = Double.NEGATIVE_INFINITY;
            for (float logit : logits) {
                largest = Math.max(largest, logit);
            }
            double sum = 0;
            for (float logit : logits) {
                sum += Math.exp(logit - largest);
            }
            logOfSum = largest + Math.log(sum);
        }

        double of(int tokenId) {
            return logits[tokenId] - logOfSum;
        }

        /** The most probable tokens, falling; of equals the lower id first. */
        List<Scored> top(int count) {
            if (count == 0) {
                return List.of();
            }
            Comparator<Integer> worseFirst =
                    Comparator.<Integer>comparingDouble(id -> logits[id]).thenComparing(Comparator.reverseOrder());
            PriorityQueue<Integer> best = new PriorityQueue<>(count, worseFirst);
            for (int id = 0; id < logits.length; id++) {
                if (best.size() < count) {
                    best.add(id);
                } else if (logits[id] > logits[best.element()]) {
                    best.remove();
                    best.add(id);
                }
            }
            List<Integer> ids = new ArrayList<>(best);
            ids.sort(worseFirst.reversed());
            return ids.stream().map(id -> new Scored(id, of(id))).toList();
        }
    }
}
