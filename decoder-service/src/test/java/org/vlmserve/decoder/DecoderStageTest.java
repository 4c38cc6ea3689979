package org.vlmserve.decoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.prompt.PreparedPrompt.Prefill;
import org.vlmserve.messaging.PromptHandler.ReadyPicture;
import org.vlmserve.messaging.PromptHandler.ReadyPrompt;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.Envelope;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.PictureKey;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.PromptJob;
import org.vlmserve.protocol.Region;
import org.vlmserve.protocol.Sampling;
import org.vlmserve.protocol.StageTimes;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.tensor.Tensor;

@Timeout(60)
class DecoderStageTest {

    private static final ModelRef MODEL = new ModelRef("fake", "0123456789ab");
    private static final int CONTEXT = 200;
    private static final byte[][] PIECES = {
        "é".getBytes(StandardCharsets.UTF_8), {(byte) 0xF0, (byte) 0x9F}, {(byte) 0x98, (byte) 0x80}, {(byte) 0xC3}
    };
    private static final BundleManifest.Generation GREEDY =
            new BundleManifest.Generation(List.of(ByteTokens.END), false, null, null, null, null, null);

    private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
    private @Nullable FakeTokenModel model;
    private @Nullable DecoderStage stage;
    private ByteTokens tokens = new ByteTokens(Prefill.CAUSAL, PIECES);

    @AfterEach
    void close() {
        if (stage != null) {
            FakeTokenModel running = model();
            CountDownLatch gate = running.gate;
            if (gate != null) {
                gate.countDown();
            }
            stage.close();
            assertThat(running.closed).isTrue();
        }
    }

    private FakeTokenModel model() {
        return Objects.requireNonNull(model);
    }

    private DecoderStage stage(int slots, int prefixSlots, int chunk, Prefill prefill) {
        if (stage != null) {
            stage.close();
        }
        tokens = new ByteTokens(prefill, PIECES);
        model = new FakeTokenModel(slots + prefixSlots, CONTEXT, tokens.vocabulary(), 3);
        stage = new DecoderStage(
                MODEL, model, tokens, GREEDY, new DecoderConfig(slots, prefixSlots, chunk, CONTEXT), meters);
        return stage;
    }

    private DecoderStage stage(int slots) {
        return stage(slots, 0, 16, Prefill.CAUSAL);
    }

    // ---- requests

    private static Sampling sampling(
            @Nullable Integer maxTokens, @Nullable Double temperature, @Nullable Long seed, String... stop) {
        return new Sampling(
                maxTokens,
                null,
                temperature,
                null,
                null,
                null,
                null,
                null,
                null,
                seed,
                List.of(stop),
                null,
                Map.of(),
                true);
    }

    private static ReadyPicture picture(int seed, int rows) {
        float[] values = new float[rows * FakeTokenModel.HIDDEN];
        Random random = new Random(seed);
        for (int i = 0; i < values.length; i++) {
            values[i] = 1000 + random.nextFloat();
        }
        PictureLayout layout = new PictureLayout(
                PictureSource.still(rows, 1), rows, 1, List.of(new PictureLayout.Grid(1, 1, rows)), rows, rows, rows);
        return new ReadyPicture(
                PictureKey.of("tenant", MODEL, PixelLimits.NONE, PictureFiles.still(new byte[] {(byte) seed})),
                layout,
                Tensor.ofFloats(values, rows, FakeTokenModel.HIDDEN));
    }

    private static ReadyPrompt ask(String text, Sampling sampling, ReadyPicture... pictures) {
        return ask("tenant", text, sampling, List.of(), pictures);
    }

    /** A text in which each digit stands for a picture. */
    private static ReadyPrompt ask(
            String tenant, String text, Sampling sampling, List<AnswerEvent.Token> logged, ReadyPicture... pictures) {
        List<ChatTurn.Part> parts = new ArrayList<>();
        for (char each : text.toCharArray()) {
            parts.add(
                    Character.isDigit(each)
                            ? new ChatTurn.Picture(each - '0')
                            : new ChatTurn.Text(String.valueOf(each)));
        }
        Envelope envelope =
                new Envelope("request-" + text, MODEL, tenant, 0, Instant.EPOCH, Instant.EPOCH.plusSeconds(60), "");
        List<PromptJob.PictureRef> refs = List.of(pictures).stream()
                .map(picture -> new PromptJob.PictureRef(picture.key(), true))
                .toList();
        PromptJob job = new PromptJob(
                envelope, List.of(new ChatTurn("user", parts, false)), PromptJob.NO_ARGUMENTS, refs, sampling);
        return new ReadyPrompt(
                job,
                List.of(pictures),
                1,
                logged,
                StageTimes.ZERO.withQueue(Duration.ofMillis(5)).withEncode(Duration.ofMillis(7)));
    }

    private static RecordingSink start(DecoderStage stage, ReadyPrompt prompt) {
        RecordingSink sink = new RecordingSink();
        stage.start(prompt, sink);
        return sink;
    }

    private static RecordingSink answer(DecoderStage stage, ReadyPrompt prompt) {
        RecordingSink sink = start(stage, prompt);
        assertThat(sink.await().error()).isNull();
        String logged = String.join(
                "", prompt.logged().stream().map(AnswerEvent.Token::text).toList());
        assertThat(logged + sink.joined()).isEqualTo(sink.await().text());
        return sink;
    }

    private static String letters(Random random, int length) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < length; i++) {
            text.append((char) ('a' + random.nextInt(26)));
        }
        return text.toString();
    }

    // ---- what decides an answer

    @Test
    void anAnswerIsTheModelsOwnLoop() {
        RecordingSink sink = answer(stage(1), ask("ab0c", sampling(12, null, null), picture(1, 4)));
        assertThat(sink.ids()).isEqualTo(byHand("ab0c", 12, picture(1, 4)));
        assertThat(sink.await().reason()).isEqualTo(AnswerEvent.FinishReason.LENGTH);
        assertThat(sink.tokens.stream().map(AnswerEvent.Token::index))
                .containsExactly(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    }

    /** The greedy answer without scheduler, chunks or batches. */
    private static List<Integer> byHand(String text, int count, ReadyPicture picture) {
        ByteTokens tokens = new ByteTokens(Prefill.CAUSAL, PIECES);
        FakeTokenModel model = new FakeTokenModel(1, CONTEXT, tokens.vocabulary(), 3);
        var prompt = tokens.prepare(ask(text, Sampling.DEFAULTS, picture).job().turns(), List.of(picture.layout()));
        int length = prompt.length();
        float[] embeddings = new float[length * FakeTokenModel.HIDDEN];
        for (int i = 0; i < length; i++) {
            if (prompt.picture()[i] < 0) {
                model.embed(prompt.row()[i], embeddings, 3 * i);
            } else {
                System.arraycopy(picture.embeddings().toFloats(), 3 * prompt.row()[i], embeddings, 3 * i, 3);
            }
        }
        float[][] logits = new float[1][model.vocabulary()];
        model.prefill(0, 0, embeddings, length, prompt.positions(), logits[0]);
        List<Integer> ids = new ArrayList<>();
        while (true) {
            int best = 0;
            for (int id = 1; id < model.vocabulary(); id++) {
                best = logits[0][id] > logits[0][best] ? id : best;
            }
            ids.add(best);
            if (ids.size() == count) {
                return ids;
            }
            model.embed(best, embeddings, 0);
            long position = prompt.nextPosition() + ids.size() - 1;
            long[][] positions = {{position}, {position}, {position}};
            model.decode(0, 1, embeddings, positions, new int[] {length + ids.size()}, logits);
        }
    }

    @Test
    void regionsAreWhatTheFamilyMakesOfTheAnswer() {
        RecordingSink sink = answer(stage(1), ask("a01b", sampling(12, null, null), picture(1, 4), picture(2, 9)));
        assertThat(sink.await().regions()).containsExactly(new Region(sink.joined(), 1, 0, 0, 9, 12));
    }

    @Test
    void manyRequestsOverFewSlotsGetTheAnswersThatTheyGetAlone() {
        Random random = new Random(11);
        List<ReadyPrompt> prompts = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            Double temperature = i % 2 == 0 ? null : 1.0;
            String text = letters(random, 1 + random.nextInt(60)) + (i % 3 == 0 ? "0" : "") + letters(random, 3);
            ReadyPicture[] pictures = i % 3 == 0 ? new ReadyPicture[] {picture(i, 5 + i)} : new ReadyPicture[0];
            prompts.add(ask(text, sampling(1 + random.nextInt(40), temperature, (long) i), pictures));
        }
        List<List<Integer>> alone = new ArrayList<>();
        for (ReadyPrompt prompt : prompts) {
            alone.add(answer(stage(1, 0, 256, Prefill.CAUSAL), prompt).ids());
        }
        for (int prefixSlots : new int[] {0, 3}) {
            DecoderStage together = stage(4, prefixSlots, 16, Prefill.CAUSAL);
            List<RecordingSink> sinks =
                    prompts.stream().map(prompt -> start(together, prompt)).toList();
            for (int i = 0; i < sinks.size(); i++) {
                assertThat(sinks.get(i).await().error()).isNull();
                assertThat(sinks.get(i).ids()).as("request %s", i).isEqualTo(alone.get(i));
            }
            assertThat(model().largestBatch).isEqualTo(4);
        }
    }

    @Test
    void answersGoOnWhileALongTextIsRead() throws Exception {
        DecoderStage stage = stage(2);
        CountDownLatch reading = new CountDownLatch(1);
        CountDownLatch read = new CountDownLatch(1);
        tokens.beforePreparing = turns -> {
            if (turns.getFirst().parts().size() == 3) {
                reading.countDown();
                awaitUnchecked(read);
            }
        };
        RecordingSink running = start(stage, ask("ab", sampling(40, null, null)));
        RecordingSink longText = start(stage, ask("zzz", sampling(3, null, null)));
        assertThat(reading.await(60, TimeUnit.SECONDS)).isTrue();
        assertThat(running.await().error()).isNull();
        assertThat(longText.tokens).isEmpty();
        read.countDown();
        assertThat(longText.await().error()).isNull();
    }

    /** What is still being read when the stage ends is ended too, and nothing waits for it for ever. */
    @Test
    void aPromptThatIsReadWhileTheStageEndsIsToldSo() {
        DecoderStage stage = stage(1);
        CountDownLatch read = new CountDownLatch(1);
        tokens.beforePreparing = turns -> awaitUnchecked(read);
        RecordingSink late = start(stage, ask("ab", sampling(3, null, null)));
        stage.close();
        read.countDown();
        assertThat(late.awaitError().code()).isEqualTo(ErrorCode.STAGE_UNAVAILABLE);
    }

    @Test
    void aTextThatCannotFitIsRefusedBeforeItIsRead() {
        DecoderStage stage = stage(1);
        tokens.beforePreparing = turns -> {
            throw new IllegalStateException("this text was to be counted only");
        };
        RecordingSink sink = start(stage, ask("a".repeat(CONTEXT), sampling(3, null, null)));
        assertThat(sink.awaitError().code()).isEqualTo(ErrorCode.PROMPT_TOO_LONG);
        assertThat(sink.awaitError()).hasMessageContaining("take " + CONTEXT + " tokens or more");
    }

    private static void awaitUnchecked(CountDownLatch latch) {
        try {
            assertThat(latch.await(60, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void chunksDoNotChangeAnAnswer() {
        ReadyPrompt prompt = ask("abcdefghijk0lmnopqrstuvw", sampling(20, null, null), picture(3, 37));
        List<Integer> whole = answer(stage(2, 0, 200, Prefill.CAUSAL), prompt).ids();
        for (int chunk : new int[] {1, 2, 7, 59, 60, 61}) {
            assertThat(answer(stage(2, 0, chunk, Prefill.CAUSAL), prompt).ids()).isEqualTo(whole);
        }
    }

    @Test
    void othersDecodeBetweenTheChunksOfALongPrompt() {
        DecoderStage stage = stage(2, 0, 10, Prefill.CAUSAL);
        FakeTokenModel model = model();
        model.gate = new CountDownLatch(1);
        RecordingSink first = start(stage, ask("a", sampling(50, null, null)));
        RecordingSink second = start(stage, ask(letters(new Random(1), 100), sampling(1, null, null)));
        model.gate.countDown();
        first.await();
        second.await();
        int longest = 0;
        int run = 0;
        for (String call : model.calls) {
            run = call.equals("prefill") ? run + 1 : 0;
            longest = Math.max(longest, run);
        }
        assertThat(longest).isEqualTo(1);
        assertThat(model.calls.stream().filter("prefill"::equals)).hasSize(11);
    }

    @Test
    void aWholePrefixPromptIsPrefilledInOnePiece() {
        DecoderStage stage = stage(2, 2, 4, Prefill.WHOLE_PREFIX);
        ReadyPrompt prompt = ask("abcdefghijklmnop", sampling(5, null, null));
        List<Integer> ids = answer(stage, prompt).ids();
        assertThat(model().calls.stream().filter("prefill"::equals)).hasSize(1);
        RecordingSink again = answer(stage, prompt);
        assertThat(again.ids()).isEqualTo(ids);
        assertThat(Objects.requireNonNull(again.await().usage()).cachedTokens()).isZero();
    }

    // ---- reuse

    @Test
    void aFollowUpQuestionReusesTheConversationSoFar() {
        DecoderStage stage = stage(2, 2, 16, Prefill.CAUSAL);
        ReadyPicture picture = picture(1, 20);
        answer(stage, ask("abc0de", sampling(5, null, null), picture));
        ReadyPrompt followUp = ask("abc0defgh", sampling(9, null, null), picture);
        RecordingSink reused = answer(stage, followUp);
        AnswerEvent.Usage usage = Objects.requireNonNull(reused.await().usage());
        assertThat(usage).isEqualTo(new AnswerEvent.Usage(28, 20, 25, 9));
        assertThat(reused.ids()).isEqualTo(answer(stage(1), followUp).ids());
    }

    @Test
    void theAnswerItselfIsReusedToo() {
        DecoderStage stage = stage(1, 1, 16, Prefill.CAUSAL);
        // letters only, so that the answer can stand in the next prompt
        Map<Integer, Double> lettersOnly = new java.util.HashMap<>();
        for (int id = ByteTokens.END; id < ByteTokens.FIRST_PIECE + PIECES.length; id++) {
            lettersOnly.put(id, -100.0);
        }
        Sampling sampling = new Sampling(
                6, null, null, null, null, null, null, null, null, null, List.of(), null, lettersOnly, true);
        RecordingSink first = answer(stage, ask("abc", sampling));
        ReadyPrompt followUp = ask("abc" + first.joined() + "xyz", sampling);
        RecordingSink second = answer(stage, followUp);
        // the last token of an answer is never fed, so it is not in the cache
        assertThat(Objects.requireNonNull(second.await().usage()).cachedTokens())
                .isEqualTo(3 + 5);
        assertThat(second.ids()).isEqualTo(answer(stage(1), followUp).ids());
    }

    @Test
    void theSamePromptAgainLeavesOnePositionToPrefill() {
        DecoderStage stage = stage(1, 1, 16, Prefill.CAUSAL);
        RecordingSink first = answer(stage, ask("abcdef", sampling(5, null, null)));
        RecordingSink second = answer(stage, ask("abcdef", sampling(5, null, null)));
        assertThat(Objects.requireNonNull(second.await().usage()).cachedTokens())
                .isEqualTo(5);
        assertThat(second.ids()).isEqualTo(first.ids());
    }

    @Test
    void nothingIsReusedAcrossTenantsOrPictures() {
        DecoderStage stage = stage(1, 3, 16, Prefill.CAUSAL);
        answer(stage, ask("tenant", "ab0c", sampling(2, null, null), List.of(), picture(1, 9)));
        RecordingSink otherTenant =
                answer(stage, ask("other", "ab0c", sampling(2, null, null), List.of(), picture(1, 9)));
        assertThat(Objects.requireNonNull(otherTenant.await().usage()).cachedTokens())
                .isZero();
        ReadyPrompt otherPicture = ask("tenant", "ab0c", sampling(2, null, null), List.of(), picture(2, 9));
        RecordingSink sink = answer(stage, otherPicture);
        assertThat(Objects.requireNonNull(sink.await().usage()).cachedTokens()).isEqualTo(2);
        assertThat(sink.ids()).isEqualTo(answer(stage(1), otherPicture).ids());
    }

    @Test
    void anyMixOfSharedBeginningsGivesTheAnswersOfAnEmptyCache() {
        Random random = new Random(5);
        List<String> documents = List.of(letters(random, 40), letters(random, 25), letters(random, 60));
        DecoderStage stage = stage(3, 2, 8, Prefill.CAUSAL);
        FakeTokenModel model = model();
        List<ReadyPrompt> prompts = new ArrayList<>();
        List<RecordingSink> sinks = new ArrayList<>();
        for (int i = 0; i < 120; i++) {
            String document = documents.get(random.nextInt(documents.size()));
            String text =
                    document.substring(0, 1 + random.nextInt(document.length())) + letters(random, random.nextInt(4));
            ReadyPrompt prompt = ask(text, sampling(1 + random.nextInt(25), 1.0, (long) i));
            RecordingSink sink = new RecordingSink();
            prompts.add(prompt);
            sinks.add(sink);
            stage.start(prompt, sink);
            if (random.nextInt(8) == 0) {
                sink.cancelled = true;
            } else if (random.nextInt(4) == 0) {
                sink.await();
            }
        }
        for (RecordingSink sink : sinks) {
            sink.await();
        }
        assertThat(model.calls).contains("copy");
        assertThat(meters.get("vlm.decoder.reused.tokens").counter().count()).isGreaterThan(500);
        DecoderStage plain = stage(1, 0, 200, Prefill.CAUSAL);
        for (int i = 0; i < prompts.size(); i++) {
            if (sinks.get(i).await().error() == null) {
                assertThat(sinks.get(i).ids())
                        .as("request %s", i)
                        .isEqualTo(answer(plain, prompts.get(i)).ids());
            } else {
                assertThat(sinks.get(i).awaitError().code()).isEqualTo(ErrorCode.CANCELLED);
            }
        }
    }

    // ---- ends

    @Test
    void anEndTokenEndsTheAnswerAndCounts() {
        Sampling bias = new Sampling(
                10,
                3,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                List.of(),
                null,
                Map.of(ByteTokens.END, 100.0),
                false);
        RecordingSink sink = answer(stage(1), ask("ab", bias));
        assertThat(sink.ids()).hasSize(4).endsWith(ByteTokens.END);
        assertThat(sink.await().reason()).isEqualTo(AnswerEvent.FinishReason.STOP);
        assertThat(Objects.requireNonNull(sink.await().usage()).completionTokens())
                .isEqualTo(4);
    }

    @Test
    void withoutALimitTheAnswerFillsTheContext() {
        RecordingSink sink = answer(stage(1), ask("abcde", sampling(null, null, null)));
        assertThat(sink.ids()).hasSize(CONTEXT - 5);
        assertThat(sink.await().reason()).isEqualTo(AnswerEvent.FinishReason.LENGTH);
    }

    @Test
    void stopTextsCutTheAnswerShort() {
        DecoderStage stage = stage(1);
        String whole =
                answer(stage, ask("abc", sampling(30, null, null))).await().text();
        for (int from = 2; from < whole.length() - 3; from++) {
            String stop = whole.substring(from, from + 3);
            if (stop.indexOf('\uFFFD') >= 0) {
                continue;
            }
            RecordingSink sink = answer(stage, ask("abc", sampling(30, null, null, stop)));
            assertThat(sink.await().text()).isEqualTo(whole.substring(0, whole.indexOf(stop)));
            assertThat(sink.await().reason()).isEqualTo(AnswerEvent.FinishReason.STOP);
        }
    }

    @Test
    void charactersAreGivenWhole() {
        // the fourth piece begins a character that never ends
        Map<Integer, Double> onlyPieces = new java.util.HashMap<>();
        for (int id = 0; id < ByteTokens.FIRST_PIECE; id++) {
            onlyPieces.put(id, -100.0);
        }
        Sampling sampling = new Sampling(
                40, null, null, null, null, null, null, null, null, null, List.of(), null, onlyPieces, true);
        RecordingSink sink = answer(stage(1), ask("abc", sampling));
        java.io.ByteArrayOutputStream bytes = new java.io.ByteArrayOutputStream();
        sink.ids().forEach(id -> bytes.writeBytes(PIECES[id - ByteTokens.FIRST_PIECE]));
        assertThat(sink.joined()).isEqualTo(bytes.toString(StandardCharsets.UTF_8));
    }

    @Test
    void logProbabilitiesComeOnlyWhenAsked() {
        DecoderStage stage = stage(1);
        assertThat(answer(stage, ask("abc", sampling(2, null, null))).tokens)
                .allSatisfy(token -> assertThat(token.logprob()).isNull());
        Sampling two = new Sampling(
                3, null, null, null, null, null, null, null, null, null, List.of(), 2, Map.of(4, 100.0), true);
        RecordingSink sink = answer(stage, ask("abc", two));
        assertThat(sink.tokens).hasSize(3).allSatisfy(token -> {
            AnswerEvent.TokenLogprob chosen = Objects.requireNonNull(token.logprob());
            assertThat(chosen.tokenId()).isEqualTo(4);
            assertThat(new String(chosen.bytes(), StandardCharsets.UTF_8)).isEqualTo("e");
            assertThat(token.top()).hasSize(2);
            // the bias made it win, but the model gave it no more than before
            assertThat(chosen.logprob())
                    .isLessThanOrEqualTo(token.top().getFirst().logprob());
            assertThat(token.top().getFirst().logprob()).isLessThan(0);
            assertThat(token.top().get(1).logprob())
                    .isLessThanOrEqualTo(token.top().getFirst().logprob());
        });
        Sampling all =
                new Sampling(1, null, null, null, null, null, null, null, null, null, List.of(), 32, Map.of(), true);
        double sum = answer(stage, ask("abc", all)).tokens.getFirst().top().stream()
                .mapToDouble(each -> Math.exp(each.logprob()))
                .sum();
        assertThat(sum).isCloseTo(1, within(1e-9));
    }

    @Test
    void usageAndTimesAddUp() {
        RecordingSink sink = answer(stage(1), ask("ab0", sampling(3, null, null), picture(1, 6)));
        assertThat(sink.await().usage()).isEqualTo(new AnswerEvent.Usage(8, 6, 0, 3));
        StageTimes times = sink.await().times();
        assertThat(times.encode()).isEqualTo(Duration.ofMillis(7));
        assertThat(times.queue()).isGreaterThanOrEqualTo(Duration.ofMillis(5));
        assertThat(times.prefill()).isPositive();
        assertThat(times.answer()).isPositive();
    }

    // ---- replay

    @Test
    void aReplayGoesOnWhereTheFirstAttemptWasCut() {
        for (Prefill prefill : Prefill.values()) {
            for (Double temperature : new Double[] {0.0, 1.5}) {
                Sampling sampling = new Sampling(
                        25, null, temperature, null, null, null, 1.2, 0.3, 0.2, null, List.of(), null, Map.of(), true);
                RecordingSink whole = answer(stage(1, 0, 8, prefill), ask("abcde", sampling));
                for (int cut = 0; cut <= 25; cut++) {
                    RecordingSink rest = answer(
                            stage(1, 0, 8, prefill), ask("tenant", "abcde", sampling, whole.tokens.subList(0, cut)));
                    assertThat(rest.tokens).isEqualTo(whole.tokens.subList(cut, 25));
                    assertThat(rest.await().text()).isEqualTo(whole.await().text());
                    assertThat(rest.await().usage()).isEqualTo(whole.await().usage());
                    assertThat(rest.await().reason()).isEqualTo(whole.await().reason());
                }
            }
        }
    }

    @Test
    void aReplayedEndNeedsNoModel() {
        DecoderStage stage = stage(1);
        String text =
                answer(stage, ask("abc", sampling(30, null, null))).await().text();
        Sampling stopping = sampling(30, null, null, text.substring(4, 7));
        RecordingSink whole = answer(stage, ask("abc", stopping));
        int calls = model().calls.size();
        RecordingSink replayed = new RecordingSink();
        stage.start(ask("tenant", "abc", stopping, whole.tokens), replayed);
        assertThat(replayed.await().text()).isEqualTo(whole.await().text());
        assertThat(replayed.await().reason()).isEqualTo(AnswerEvent.FinishReason.STOP);
        assertThat(replayed.tokens).isEmpty();
        assertThat(model().calls).hasSize(calls);
    }

    // ---- refusals and failures

    @Test
    void whatTheContextCannotHoldIsRefusedBeforeAnyWork() {
        DecoderStage stage = stage(1);
        RecordingSink full = start(stage, ask("0", sampling(null, null, null), picture(1, CONTEXT)));
        assertThat(full.awaitError().code()).isEqualTo(ErrorCode.PROMPT_TOO_LONG);
        assertThat(full.awaitError()).hasMessageContaining("200").hasMessageContaining("201");
        assertThat(model().calls).isEmpty();
        assertThat(stage.freeSlots()).isEqualTo(1);
    }

    @Test
    void aLimitBeyondTheContextIsALimitLikeAnyOther() {
        DecoderStage stage = stage(1);
        RecordingSink fits = answer(stage, ask("0", sampling(10, null, null), picture(1, CONTEXT - 10)));
        assertThat(fits.ids()).hasSize(10);
        assertThat(fits.await().notes()).isEmpty();
        for (int beyond : new int[] {11, CONTEXT, Integer.MAX_VALUE}) {
            RecordingSink sink = answer(stage, ask("0", sampling(beyond, null, null), picture(1, CONTEXT - 10)));
            assertThat(sink.ids()).isEqualTo(fits.ids());
            assertThat(sink.await().reason()).isEqualTo(AnswerEvent.FinishReason.LENGTH);
            assertThat(sink.await().notes())
                    .singleElement()
                    .asString()
                    .contains("max_tokens is " + beyond)
                    .contains("" + CONTEXT)
                    .contains("leaves 10");
        }
    }

    @Test
    void embeddingsOfAnotherShapeAreADefect() {
        ReadyPicture picture = picture(1, 4);
        ReadyPicture wrong = new ReadyPicture(picture.key(), picture.layout(), Tensor.ofFloats(new float[8], 4, 2));
        RecordingSink sink = start(stage(1), ask("0", sampling(1, null, null), wrong));
        assertThat(sink.awaitError().code()).isEqualTo(ErrorCode.INTERNAL);
        assertThat(sink.awaitError()).hasMessageContaining("F32[4, 2]").hasMessageContaining("[4, 3]");
    }

    @Test
    void aPoisonedPromptFailsAlone() {
        DecoderStage stage = stage(3);
        FakeTokenModel model = model();
        model.poisonedToken = id -> id == 'z' - 'a';
        Sampling quiet = new Sampling(
                20, null, null, null, null, null, null, null, null, null, List.of(), null, Map.of(25, -100.0), true);
        RecordingSink before = start(stage, ask("abc", quiet));
        RecordingSink poisoned = start(stage, ask("az", quiet));
        RecordingSink after = start(stage, ask("de", quiet));
        assertThat(poisoned.awaitError().code()).isEqualTo(ErrorCode.INTERNAL);
        assertThat(before.await().error()).isNull();
        assertThat(after.await().error()).isNull();
        assertThat(stage.freeSlots()).isEqualTo(3);
        assertThat(stage.healthy()).isTrue();
    }

    @Test
    void aPoisonedRowFailsAloneInTheMiddleOfABatch() {
        Sampling sampling = new Sampling(
                20, null, null, null, null, null, null, null, null, null, List.of(), null, Map.of(25, -100.0), true);
        Sampling toPoison = new Sampling(
                20, null, null, null, null, null, null, null, null, null, List.of(), null, Map.of(25, 100.0), true);
        DecoderStage stage = stage(3);
        List<Integer> expected = answer(stage, ask("abc", sampling)).ids();
        FakeTokenModel model = model();
        model.poisonedToken = id -> id == 25;
        RecordingSink first = start(stage, ask("abc", sampling));
        RecordingSink poisoned = start(stage, ask("xy", toPoison));
        RecordingSink last = start(stage, ask("abc", sampling));
        assertThat(poisoned.awaitError().code()).isEqualTo(ErrorCode.INTERNAL);
        assertThat(first.await().error()).isNull();
        assertThat(first.ids()).isEqualTo(expected);
        assertThat(last.await().error()).isNull();
        assertThat(last.ids()).isEqualTo(expected);
    }

    @Test
    void noMemoryIsReportedAsSuch() {
        DecoderStage stage = stage(1);
        model().poisonedToken = id -> id == 25;
        model().poison = new OutOfMemoryError("no room");
        RecordingSink sink = start(stage, ask("z", sampling(1, null, null)));
        assertThat(sink.awaitError().code()).isEqualTo(ErrorCode.OUT_OF_MEMORY);
        assertThat(answer(stage, ask("a", sampling(1, null, null))).ids()).hasSize(1);
    }

    @Test
    void aDefectThatCannotBeSurvivedEndsEveryRequest() {
        DecoderStage stage = stage(1);
        FakeTokenModel model = model();
        CountDownLatch gate = new CountDownLatch(1);
        model.gate = gate;
        model.poisonedToken = id -> true;
        model.poison = new StackOverflowError();
        RecordingSink first = start(stage, ask("a", sampling(1, null, null)));
        RecordingSink second = start(stage, ask("b", sampling(1, null, null)));
        gate.countDown();
        assertThat(first.awaitError().code()).isEqualTo(ErrorCode.INTERNAL);
        // It depends on the threads whether the stage has taken it in before it breaks.
        assertThat(second.awaitError().code()).isIn(ErrorCode.INTERNAL, ErrorCode.STAGE_UNAVAILABLE);
        assertThat(stage.healthy()).isFalse();
        assertThat(stage.freeSlots()).isZero();
        assertThat(start(stage, ask("c", sampling(1, null, null))).awaitError().code())
                .isEqualTo(ErrorCode.STAGE_UNAVAILABLE);
    }

    @Test
    void aCancelledRequestIsGoneWithinOneStep() throws Exception {
        DecoderStage stage = stage(1);
        CountDownLatch fifth = new CountDownLatch(1);
        CountDownLatch told = new CountDownLatch(1);
        RecordingSink cancelled = new RecordingSink() {
            @Override
            public void token(
                    int index,
                    int tokenId,
                    String text,
                    AnswerEvent.@Nullable TokenLogprob logprob,
                    List<AnswerEvent.TokenLogprob> top) {
                super.token(index, tokenId, text, logprob, top);
                if (index == 4) {
                    fifth.countDown();
                    try {
                        assertThat(told.await(20, TimeUnit.SECONDS)).isTrue();
                    } catch (InterruptedException e) {
                        throw new IllegalStateException(e);
                    }
                }
            }
        };
        stage.start(ask("abc", sampling(100, null, null)), cancelled);
        assertThat(fifth.await(20, TimeUnit.SECONDS)).isTrue();
        cancelled.cancelled = true;
        told.countDown();
        assertThat(cancelled.awaitError().code()).isEqualTo(ErrorCode.CANCELLED);
        assertThat(cancelled.tokens).hasSize(5);
        assertThat(stage.freeSlots()).isEqualTo(1);
    }

    @Test
    void aRequestThatWaitsOrPrefillsCanBeCancelledToo() {
        DecoderStage stage = stage(1, 0, 4, Prefill.CAUSAL);
        CountDownLatch gate = new CountDownLatch(1);
        model().gate = gate;
        RecordingSink prefilling = start(stage, ask("abcdefghijklmnop", sampling(1, null, null)));
        RecordingSink waiting = start(stage, ask("ab", sampling(1, null, null)));
        RecordingSink served = start(stage, ask("cd", sampling(1, null, null)));
        prefilling.cancelled = true;
        waiting.cancelled = true;
        gate.countDown();
        assertThat(prefilling.awaitError().code()).isEqualTo(ErrorCode.CANCELLED);
        assertThat(waiting.awaitError().code()).isEqualTo(ErrorCode.CANCELLED);
        assertThat(served.await().error()).isNull();
        assertThat(model().calls.stream().filter("prefill"::equals).count()).isLessThanOrEqualTo(2);
    }

    @Test
    void closingEndsWhatIsNotFinished() {
        DecoderStage stage = stage(1);
        CountDownLatch gate = new CountDownLatch(1);
        model().gate = gate;
        RecordingSink running = start(stage, ask("ab", sampling(100, null, null)));
        RecordingSink waiting = start(stage, ask("cd", sampling(100, null, null)));
        Thread closing = Thread.ofPlatform().start(stage::close);
        // it waits for the stage's thread, so the stage has been told
        while (closing.getState() != Thread.State.WAITING) {
            Thread.onSpinWait();
        }
        gate.countDown();
        assertThat(running.awaitError().code()).isEqualTo(ErrorCode.STAGE_UNAVAILABLE);
        assertThat(waiting.awaitError().code()).isEqualTo(ErrorCode.STAGE_UNAVAILABLE);
        assertThat(closing)
                .satisfies(thread ->
                        assertThat(thread.join(Duration.ofSeconds(20))).isTrue());
        assertThat(start(stage, ask("ef", sampling(1, null, null))).awaitError().code())
                .isEqualTo(ErrorCode.STAGE_UNAVAILABLE);
    }

    @Test
    void aSinkThatThrowsHarmsNobodyElse() {
        DecoderStage stage = stage(2);
        RecordingSink broken = new RecordingSink() {
            @Override
            public void token(
                    int index,
                    int tokenId,
                    String text,
                    AnswerEvent.@Nullable TokenLogprob logprob,
                    List<AnswerEvent.TokenLogprob> top) {
                throw new IllegalStateException("the road is broken");
            }
        };
        stage.start(ask("ab", sampling(10, null, null)), broken);
        RecordingSink fine = start(stage, ask("cd", sampling(10, null, null)));
        assertThat(broken.awaitError().code()).isEqualTo(ErrorCode.INTERNAL);
        assertThat(fine.await().error()).isNull();
    }

    @Test
    void metersCountTokensAndSlots() {
        DecoderStage stage = stage(2);
        answer(stage, ask("abcd", sampling(3, null, null)));
        assertThat(meters.get("vlm.decoder.prefill.tokens").counter().count()).isEqualTo(4);
        assertThat(meters.get("vlm.decoder.answer.tokens").counter().count()).isEqualTo(3);
        assertThat(meters.get("vlm.decoder.step").tag("kind", "decode").timer().count())
                .isEqualTo(2);
        assertThat(meters.get("vlm.decoder.batch").summary().max()).isEqualTo(1);
        assertThat(meters.get("vlm.decoder.slots").gauge().value()).isEqualTo(2);
        assertThat(stage.capacity()).isEqualTo(2);
        assertThat(stage.contextLength()).isEqualTo(CONTEXT);
    }
}
