package org.vlmserve.decoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.bundle.BundleManifest.Constraints;
import org.vlmserve.protocol.Sampling;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

class SamplerTest {

    /** Probabilities 0.5, 0.25, 0.125, 0.0625, 0.0625. */
    private static final float[] HALVES = {0, -log2(1), -log2(2), -log2(3), -log2(3)};

    private static final SamplingParameters GREEDY = new SamplingParameters(
            0, 0, 1, 0, 1, 0, 0, 0, 1, Map.of(), List.of(), List.of(), Constraints.NONE, List.of(), null);

    private static float log2(int halvings) {
        return (float) (halvings * Math.log(2));
    }

    private static SamplingParameters sampled(double temperature, int topK, double topP, double minP) {
        return new SamplingParameters(
                temperature,
                topK,
                topP,
                minP,
                1,
                0,
                0,
                0,
                1,
                Map.of(),
                List.of(),
                List.of(),
                Constraints.NONE,
                List.of(),
                null);
    }

    private static SamplingParameters penalised(double repetition, double presence, double frequency) {
        return new SamplingParameters(
                0,
                0,
                1,
                0,
                repetition,
                presence,
                frequency,
                0,
                1,
                Map.of(),
                List.of(),
                List.of(),
                Constraints.NONE,
                List.of(),
                null);
    }

    private static int next(SamplingParameters parameters, float... logits) {
        return new Sampler(logits.length).next(new SamplingState(parameters, new int[0], 100), logits);
    }

    /** The tokens that are ever drawn, over many seeds. */
    private static TreeSet<Integer> drawn(SamplingParameters parameters, float... logits) {
        Sampler sampler = new Sampler(logits.length);
        TreeSet<Integer> drawn = new TreeSet<>();
        SamplingState state = new SamplingState(parameters, new int[0], 100);
        for (int i = 0; i < 2000; i++) {
            drawn.add(sampler.next(state, logits));
            state.accept(0);
        }
        return drawn;
    }

    @Test
    void greedyTakesTheLargestAndTheFirstOfEquals() {
        assertThat(next(GREEDY, 1, 3, 2)).isEqualTo(1);
        assertThat(next(GREEDY, 1, 3, 3)).isEqualTo(1);
        assertThat(next(GREEDY, -5, -3, -3)).isEqualTo(1);
    }

    @Test
    void logitsAreLeftAsTheyWere() {
        float[] logits = {1, 2};
        SamplingState state = new SamplingState(penalised(2, 1, 1), new int[] {0, 1}, 100);
        new Sampler(2).next(state, logits);
        assertThat(logits).containsExactly(1, 2);
    }

    @Test
    void repetitionPenaltyCoversPromptAndAnswerAndTreatsSignsApart() {
        // token 1 stands in the prompt: 3 / 2 = 1.5 < 2
        SamplingState state = new SamplingState(penalised(2, 0, 0), new int[] {1}, 100);
        Sampler sampler = new Sampler(3);
        assertThat(sampler.next(state, new float[] {1, 3, 2})).isEqualTo(2);
        // token 2 stands in the answer now: 2 / 2 = 1 < 1.5, and once only however often it stands there
        state.accept(2);
        state.accept(2);
        assertThat(sampler.next(state, new float[] {0.9f, 3, 2})).isEqualTo(1);
        assertThat(sampler.next(state, new float[] {-9, -3, -1.6f})).isEqualTo(2);
        // -1 * 2 = -2 < -1.5
        assertThat(sampler.next(state, new float[] {-1.5f, -1, -1})).isEqualTo(0);
    }

    @Test
    void learnedVectorsBehindTheVocabularyArePenalisedNowhere() {
        SamplingState state = new SamplingState(penalised(2, 0, 0), new int[] {7}, 100);
        assertThat(new Sampler(2).next(state, new float[] {1, 2})).isEqualTo(1);
    }

    @Test
    void presenceAndFrequencyPenaltiesCoverTheAnswerOnly() {
        SamplingState state = new SamplingState(penalised(1, 0.5, 0.25), new int[] {1}, 100);
        Sampler sampler = new Sampler(3);
        assertThat(sampler.next(state, new float[] {0, 1, 0.9f})).isEqualTo(1);
        state.accept(1);
        // 1 - 0.5 - 0.25 = 0.25
        assertThat(sampler.next(state, new float[] {0, 1, 0.26f})).isEqualTo(2);
        assertThat(sampler.next(state, new float[] {0, 1, 0.24f})).isEqualTo(1);
        state.accept(1);
        // 1 - 0.5 - 2 * 0.25 = 0
        assertThat(sampler.next(state, new float[] {-1, 1, 0.01f})).isEqualTo(2);
        assertThat(sampler.next(state, new float[] {-1, 1, -0.01f})).isEqualTo(1);
    }

    @Test
    void biasIsAddedBeforePenalties() {
        SamplingParameters parameters = new SamplingParameters(
                0, 0, 1, 0, 2, 0, 0, 0, 1, Map.of(0, 4.0), List.of(), List.of(), Constraints.NONE, List.of(), null);
        SamplingState state = new SamplingState(parameters, new int[] {0}, 100);
        // (1 + 4) / 2 = 2.5, where 1 / 2 + 4 would be 4.5
        assertThat(new Sampler(2).next(state, new float[] {1, 3})).isEqualTo(1);
        assertThat(new Sampler(2).next(state, new float[] {1, 2.4f})).isEqualTo(0);
    }

    @Test
    void noEndBeforeMinTokens() {
        SamplingParameters parameters = new SamplingParameters(
                0, 0, 1, 0, 1, 0, 0, 2, 1, Map.of(), List.of(0), List.of(), Constraints.NONE, List.of(), null);
        SamplingState state = new SamplingState(parameters, new int[0], 100);
        Sampler sampler = new Sampler(2);
        assertThat(sampler.next(state, new float[] {9, 1})).isEqualTo(1);
        state.accept(1);
        assertThat(sampler.next(state, new float[] {9, 1})).isEqualTo(1);
        state.accept(1);
        assertThat(sampler.next(state, new float[] {9, 1})).isEqualTo(0);
    }

    @Test
    void topKKeepsEqualsOfTheKthLargest() {
        assertThat(drawn(sampled(1, 2, 1, 0), HALVES)).containsExactly(0, 1);
        assertThat(drawn(sampled(1, 4, 1, 0), HALVES)).containsExactly(0, 1, 2, 3, 4);
        assertThat(drawn(sampled(1, 1, 1, 0), HALVES)).containsExactly(0);
        assertThat(drawn(sampled(1, 99, 1, 0), HALVES)).containsExactly(0, 1, 2, 3, 4);
    }

    @Test
    void kthLargestIsFoundAmongMany() {
        Random random = new Random(4);
        float[] logits = new float[1000];
        for (int i = 0; i < logits.length; i++) {
            logits[i] = random.nextFloat() / 100;
        }
        for (int k : new int[] {1, 2, 3, 10, 57}) {
            float[] sorted = logits.clone();
            java.util.Arrays.sort(sorted);
            assertThat(drawn(sampled(10, k, 1, 0), logits))
                    .hasSize(k)
                    .allSatisfy(id -> assertThat(logits[id]).isGreaterThanOrEqualTo(sorted[1000 - k]));
        }
    }

    @Test
    void topPKeepsWhatIsNeededToReachIt() {
        assertThat(drawn(sampled(1, 0, 0.5, 0), HALVES)).containsExactly(0);
        assertThat(drawn(sampled(1, 0, 0.51, 0), HALVES)).containsExactly(0, 1);
        assertThat(drawn(sampled(1, 0, 0.76, 0), HALVES)).containsExactly(0, 1, 2);
        // of two equals the lower id comes first
        assertThat(drawn(sampled(1, 0, 0.9, 0), HALVES)).containsExactly(0, 1, 2, 3);
        assertThat(drawn(sampled(1, 0, 0.000001, 0), HALVES)).containsExactly(0);
        assertThat(drawn(sampled(1, 0, 1, 0), HALVES)).containsExactly(0, 1, 2, 3, 4);
    }

    @Test
    void topPCountsWhatTopKLeft() {
        // of 0.5 and 0.25 the first alone holds two thirds
        assertThat(drawn(sampled(1, 2, 0.66, 0), HALVES)).containsExactly(0);
        assertThat(drawn(sampled(1, 2, 0.67, 0), HALVES)).containsExactly(0, 1);
    }

    @Test
    void minPIsRelativeToTheLargest() {
        assertThat(drawn(sampled(1, 0, 1, 0.49), HALVES)).containsExactly(0, 1);
        assertThat(drawn(sampled(1, 0, 1, 0.51), HALVES)).containsExactly(0);
        assertThat(drawn(sampled(1, 0, 1, 1), HALVES)).containsExactly(0);
        assertThat(drawn(sampled(1, 0, 1, 0.12), HALVES)).containsExactly(0, 1, 2, 3, 4);
    }

    @Test
    void temperatureComesBeforeMinP() {
        // at temperature 2 the second has 1/√2 of the first
        assertThat(drawn(sampled(2, 0, 1, 0.7), HALVES)).containsExactly(0, 1);
        assertThat(drawn(sampled(2, 0, 1, 0.71), HALVES)).containsExactly(0);
    }

    @Test
    void frequenciesFollowTheDistribution() {
        Sampler sampler = new Sampler(HALVES.length);
        SamplingState state = new SamplingState(sampled(1, 0, 1, 0), new int[0], 100);
        int[] counts = new int[HALVES.length];
        int draws = 20000;
        for (int i = 0; i < draws; i++) {
            counts[sampler.next(state, HALVES)]++;
            state.accept(0);
        }
        double[] expected = {0.5, 0.25, 0.125, 0.0625, 0.0625};
        for (int id = 0; id < expected.length; id++) {
            assertThat(counts[id] / (double) draws).isCloseTo(expected[id], within(0.015));
        }
    }

    @Test
    void impossibleTokensAreNeverDrawn() {
        float[] logits = {0, Float.NEGATIVE_INFINITY, 0, Float.NEGATIVE_INFINITY};
        assertThat(drawn(sampled(5, 0, 1, 0), logits)).containsExactly(0, 2);
        assertThat(drawn(sampled(5, 3, 0.99, 0), logits)).containsExactly(0, 2);
    }

    @Test
    void theRandomNumberDependsOnSeedAndIndexOnly() {
        assertThat(Sampler.uniform(7, 3)).isEqualTo(Sampler.uniform(7, 3));
        assertThat(Sampler.uniform(7, 3)).isNotEqualTo(Sampler.uniform(7, 4));
        assertThat(Sampler.uniform(7, 3)).isNotEqualTo(Sampler.uniform(8, 3));
        double sum = 0;
        for (int i = 0; i < 10000; i++) {
            double uniform = Sampler.uniform(-1, i);
            assertThat(uniform).isBetween(0.0, Math.nextDown(1.0));
            sum += uniform;
        }
        assertThat(sum / 10000).isCloseTo(0.5, within(0.01));
    }

    @Test
    void logitsThatAreNoNumbersAreADefect() {
        assertThatThrownBy(() -> next(GREEDY, 1, Float.NaN)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> next(GREEDY, Float.NEGATIVE_INFINITY, Float.NEGATIVE_INFINITY))
                .isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> next(GREEDY, Float.POSITIVE_INFINITY, 1)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void logProbabilitiesAreTheModelsOwn() {
        Sampler.LogProbabilities logprobs = new Sampler.LogProbabilities(HALVES);
        assertThat(logprobs.of(0)).isCloseTo(Math.log(0.5), within(1e-7));
        assertThat(logprobs.of(4)).isCloseTo(Math.log(0.0625), within(1e-7));
        assertThat(logprobs.top(4).stream().map(Sampler.Scored::tokenId)).containsExactly(0, 1, 2, 3);
        assertThat(logprobs.top(0)).isEmpty();
        assertThat(logprobs.top(9)).hasSize(5);
        assertThat(new Sampler.LogProbabilities(new float[] {1000, 1000}).of(1))
                .isCloseTo(Math.log(0.5), within(1e-12));
    }

    @Test
    void defaultsAreTheCheckpointsThenTheReferences() {
        BundleManifest.Generation greedy = new BundleManifest.Generation(List.of(2), false, 0.7, 0.9, null, null, null);
        SamplingParameters parameters = SamplingParameters.of(Sampling.DEFAULTS, greedy, 0, "r", 10);
        assertThat(parameters.temperature()).isZero();
        assertThat(parameters.topP()).isEqualTo(0.9);
        assertThat(parameters.topK()).isEqualTo(50);
        assertThat(parameters.endTokens()).containsExactly(2);

        BundleManifest.Generation sampling =
                new BundleManifest.Generation(List.of(2, 3), true, null, null, 4, 0.1, 1.05);
        SamplingParameters sampled = SamplingParameters.of(Sampling.DEFAULTS, sampling, 0, "r", 10);
        assertThat(sampled.temperature()).isEqualTo(1);
        assertThat(sampled.topK()).isEqualTo(4);
        assertThat(sampled.topP()).isEqualTo(1);
        assertThat(sampled.minP()).isEqualTo(0.1);
        assertThat(sampled.repetitionPenalty()).isEqualTo(1.05);
    }

    @Test
    void theCallersValuesWin() {
        BundleManifest.Generation defaults = new BundleManifest.Generation(List.of(2), false, 0.7, 0.9, 5, 0.2, 1.3);
        Sampling asked =
                new Sampling(9, 1, 0.4, 0.8, -1, 0.0, 1.0, 0.1, 0.2, 77L, List.of("x"), 3, Map.of(1, 2.0), true);
        assertThat(SamplingParameters.of(asked, defaults, 0, "r", 10))
                .isEqualTo(new SamplingParameters(
                        0.4,
                        0,
                        0.8,
                        0,
                        1,
                        0.1,
                        0.2,
                        1,
                        77,
                        Map.of(1, 2.0),
                        List.of(),
                        List.of("x"),
                        Constraints.NONE,
                        List.of(),
                        3));
    }

    @Test
    void withoutASeedTheRequestIsTheSeed() {
        BundleManifest.Generation defaults =
                new BundleManifest.Generation(List.of(), true, null, null, null, null, null);
        long one = SamplingParameters.of(Sampling.DEFAULTS, defaults, 0, "request-1", 10)
                .seed();
        assertThat(SamplingParameters.of(Sampling.DEFAULTS, defaults, 0, "request-1", 10)
                        .seed())
                .isEqualTo(one);
        assertThat(SamplingParameters.of(Sampling.DEFAULTS, defaults, 0, "request-2", 10)
                        .seed())
                .isNotEqualTo(one);
    }

    @Test
    void impossibleParametersNameTheirField() {
        BundleManifest.Generation defaults =
                new BundleManifest.Generation(List.of(), true, null, null, null, null, null);
        Sampling biased = new Sampling(
                null, null, null, null, null, null, null, null, null, null, List.of(), null, Map.of(10, 1.0), false);
        assertThatThrownBy(() -> SamplingParameters.of(biased, defaults, 0, "r", 10))
                .isInstanceOfSatisfying(VlmException.class, e -> {
                    assertThat(e.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
                    assertThat(e.param()).isEqualTo("logit_bias");
                });
        Sampling topP = new Sampling(
                null, null, null, 1.5, null, null, null, null, null, null, List.of(), null, Map.of(), false);
        assertThatThrownBy(() -> SamplingParameters.of(topP, defaults, 0, "r", 10))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.param()).isEqualTo("top_p"));
    }

    private static Sampling asked(
            @Nullable Double temperature, @Nullable Double topP, @Nullable Integer topK, @Nullable Long seed) {
        return new Sampling(
                null, null, temperature, topP, topK, null, null, null, null, seed, List.of(), null, Map.of(), false);
    }

    /** Checkpoints ship such defaults beside a temperature of nearly 0; a caller's temperature then changes nothing. */
    @Test
    void aTemperatureThatTheCheckpointsDefaultsMakeVainIsTold() {
        BundleManifest.Generation one = new BundleManifest.Generation(List.of(), true, 0.01, 0.001, 1, null, 1.0);
        assertThat(notes(asked(0.9, null, null, null), one))
                .containsExactly("top_k is 1, by the checkpoint's generation defaults: the answer is greedy in effect,"
                        + " whatever the temperature; send top_k to change that");
        assertThat(notes(asked(0.9, null, 20, null), one))
                .containsExactly(
                        "top_p is 0.001, by the checkpoint's generation defaults: the answer is greedy in effect,"
                                + " whatever the temperature; send top_p to change that");
        assertThat(notes(asked(0.9, 0.8, 20, null), one)).isEmpty();
        assertThat(notes(asked(0.0, null, null, null), one)).isEmpty();
        assertThat(notes(Sampling.DEFAULTS, one)).isEmpty();
        BundleManifest.Generation likeliest = new BundleManifest.Generation(List.of(), true, null, null, 20, 1.0, null);
        assertThat(notes(asked(1.0, null, null, null), likeliest))
                .singleElement()
                .asString()
                .startsWith("min_p is 1,");
        BundleManifest.Generation usual = new BundleManifest.Generation(List.of(), true, 0.7, 0.8, 20, null, 1.05);
        assertThat(notes(asked(1.0, null, null, null), usual)).isEmpty();
    }

    @Test
    void whatIsSentAboutSamplingOfAGreedyAnswerIsTold() {
        BundleManifest.Generation greedy = new BundleManifest.Generation(List.of(), false, 0.7, null, null, null, null);
        for (Sampling vain :
                List.of(asked(null, 0.5, null, null), asked(null, null, 5, null), asked(null, null, null, 1L))) {
            assertThat(notes(vain, greedy)).singleElement().asString().startsWith("temperature is 0,");
        }
        assertThat(notes(asked(0.0, 0.5, 5, 1L), greedy)).isEmpty();
        assertThat(notes(Sampling.DEFAULTS, greedy)).isEmpty();
    }

    private static List<String> notes(Sampling asked, BundleManifest.Generation defaults) {
        return SamplingParameters.of(asked, defaults, 0, "r", 10).notes();
    }
}
