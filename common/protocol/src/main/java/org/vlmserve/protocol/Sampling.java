package org.vlmserve.protocol;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * How tokens are chosen. A null takes the checkpoint's generation default. Temperature 0 is greedy. Names and meanings are
 * vLLM's where OpenAI has none.
 *
 * @param maxTokens most tokens to generate
 * @param stop texts that end the answer; they are not part of it
 * @param seed with the token's index it determines the random choice
 * @param topLogprobs how many alternatives to report for each token; null for no log-probabilities at all
 * @param logitBias added to the logits of token ids
 * @param ignoreEos go on after an end token
 */
public record Sampling(
        @Nullable Integer maxTokens,
        @Nullable Integer minTokens,
        @Nullable Double temperature,
        @Nullable Double topP,
        @Nullable Integer topK,
        @Nullable Double minP,
        @Nullable Double repetitionPenalty,
        @Nullable Double presencePenalty,
        @Nullable Double frequencyPenalty,
        @Nullable Long seed,
        List<String> stop,
        @Nullable Integer topLogprobs,
        Map<Integer, Double> logitBias,
        boolean ignoreEos) {

    public static final Sampling DEFAULTS =
            new Sampling(null, null, null, null, null, null, null, null, null, null, List.of(), null, Map.of(), false);

    public Sampling {
        stop = List.copyOf(stop);
        logitBias = Map.copyOf(logitBias);
    }
}
