package org.vlmserve.decoder;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.bundle.BundleManifest.Constraints;
import org.vlmserve.protocol.Sampling;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * How one request's tokens are chosen, with every default filled in: the caller's value, else the checkpoint's, else the
 * reference's ({@code GenerationConfig} of transformers: top-k 50 and nothing else, when sampling at all).
 *
 * @param temperature 0 is greedy
 * @param topK 0 is off
 * @param topP 1 is off
 * @param minP 0 is off
 * @param seed with a token's index it determines the random choice
 * @param endTokens tokens that end the answer; empty when they are to be ignored
 * @param constraints the checkpoint's own, which no caller changes
 * @param notes what the caller is told of settings that have not the effect he may expect
 * @param topLogprobs alternatives to report for each token, or null for no log-probabilities
 */
record SamplingParameters(
        double temperature,
        int topK,
        double topP,
        double minP,
        double repetitionPenalty,
        double presencePenalty,
        double frequencyPenalty,
        int minTokens,
        long seed,
        Map<Integer, Double> logitBias,
        List<Integer> endTokens,
        List<String> stop,
        Constraints constraints,
        List<String> notes,
        @Nullable Integer topLogprobs) {

    private static final int REFERENCE_TOP_K = 50;

    /** Of the probability: so little is held by the likeliest token alone, whatever the model. */
    private static final double GREEDY_TOP_P = 0.01;

    /**
     * @param promptLength in tokens
     * @param requestId stands in for a seed, so that a decoder that takes the request over goes on alike
     * @throws VlmException {@code INVALID_REQUEST} naming the field
     */
    static SamplingParameters of(
            Sampling asked, BundleManifest.Generation defaults, int promptLength, String requestId, int vocabulary) {
        double temperature = orElse(asked.temperature(), defaults.sample() ? orElse(defaults.temperature(), 1.0) : 0.0);
        double topP = orElse(asked.topP(), orElse(defaults.topP(), 1.0));
        double minP = orElse(asked.minP(), orElse(defaults.minP(), 0.0));
        double repetition = orElse(asked.repetitionPenalty(), orElse(defaults.repetitionPenalty(), 1.0));
        int topK = orElse(asked.topK(), orElse(defaults.topK(), REFERENCE_TOP_K));
        require(temperature >= 0 && temperature < Double.POSITIVE_INFINITY, "temperature", temperature, "at least 0");
        require(topP > 0 && topP <= 1, "top_p", topP, "above 0 and at most 1");
        require(minP >= 0 && minP <= 1, "min_p", minP, "0 to 1");
        require(topK >= -1, "top_k", topK, "at least 1, or 0 or -1 for all tokens");
        require(repetition > 0 && repetition < Double.POSITIVE_INFINITY, "repetition_penalty", repetition, "above 0");
        for (Map.Entry<Integer, Double> bias : asked.logitBias().entrySet()) {
            require(
                    bias.getKey() >= 0 && bias.getKey() < vocabulary,
                    "logit_bias",
                    bias.getKey(),
                    "a token id below " + vocabulary);
        }
        require(asked.maxTokens() == null || asked.maxTokens() >= 1, "max_tokens", asked.maxTokens(), "at least 1");
        for (String stop : asked.stop()) {
            require(!stop.isEmpty(), "stop", "an empty text", "texts of at least one character");
        }
        return new SamplingParameters(
                temperature,
                Math.max(0, topK),
                topP,
                minP,
                repetition,
                orElse(asked.presencePenalty(), 0.0),
                orElse(asked.frequencyPenalty(), 0.0),
                orElse(asked.minTokens(), minTokens(defaults.length(), promptLength)),
                asked.seed() != null ? asked.seed() : hash(requestId),
                asked.logitBias(),
                asked.ignoreEos() ? List.of() : List.copyOf(defaults.eosTokenIds()),
                asked.stop(),
                defaults.constraints(),
                notes(asked, temperature, topK, topP, minP),
                asked.topLogprobs());
    }

    /** A least length of prompt and answer together counts where there is none of the answer alone. */
    private static int minTokens(BundleManifest.Length length, int promptLength) {
        return orElse(length.minNewTokens(), Math.max(0, orElse(length.minLength(), 0) - promptLength));
    }

    private static List<String> notes(Sampling asked, double temperature, int topK, double topP, double minP) {
        if (temperature > 0 && asked.temperature() != null) {
            if (topK == 1 && asked.topK() == null) {
                return List.of(greedyInEffect("top_k", 1));
            }
            if (topP <= GREEDY_TOP_P && asked.topP() == null) {
                return List.of(greedyInEffect("top_p", topP));
            }
            if (minP == 1 && asked.minP() == null) {
                return List.of(greedyInEffect("min_p", 1));
            }
        }
        boolean narrowed = asked.topK() != null || asked.topP() != null || asked.minP() != null;
        if (temperature == 0 && asked.temperature() == null && (narrowed || asked.seed() != null)) {
            return List.of(
                    "temperature is 0, by the checkpoint's generation defaults: the answer is greedy, and what else"
                            + " was sent about sampling has no effect; send temperature to change that");
        }
        return List.of();
    }

    private static String greedyInEffect(String name, Number value) {
        return name + " is " + value
                + ", by the checkpoint's generation defaults: the answer is greedy in effect, whatever"
                + " the temperature; send " + name + " to change that";
    }

    private static <T> T orElse(@Nullable T value, T otherwise) {
        return value != null ? value : otherwise;
    }

    private static void require(boolean met, String field, @Nullable Object value, String expected) {
        if (!met) {
            throw new VlmException(
                    ErrorCode.INVALID_REQUEST, field + " is " + value + "; expected " + expected, field, null);
        }
    }

    /** 64-bit FNV-1a: the same on every machine and in every version. */
    private static long hash(String text) {
        long hash = 0xcbf29ce484222325L;
        for (int i = 0; i < text.length(); i++) {
            hash = (hash ^ text.charAt(i)) * 0x100000001b3L;
        }
        return hash;
    }
}
