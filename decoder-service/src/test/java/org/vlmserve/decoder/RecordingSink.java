package org.vlmserve.decoder;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.vlmserve.messaging.PromptHandler.AnswerSink;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.Region;
import org.vlmserve.protocol.StageTimes;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** Keeps an answer, and holds it against what a sink may expect. */
class RecordingSink implements AnswerSink {

    /** The end of an answer: either an error or the arguments of {@code finished}. */
    record End(
            @Nullable VlmException error,
            AnswerEvent.@Nullable FinishReason reason,
            String text,
            AnswerEvent.@Nullable Usage usage,
            StageTimes times,
            List<Region> regions,
            List<String> notes) {}

    final List<AnswerEvent.Token> tokens = new ArrayList<>();
    final CompletableFuture<End> end = new CompletableFuture<>();
    volatile boolean cancelled;
    int checkpoints;

    @Override
    public void checkpoint() {
        checkpoints++;
        if (cancelled) {
            throw new VlmException(ErrorCode.CANCELLED, "nobody waits any more");
        }
    }

    @Override
    public void token(
            int index,
            int tokenId,
            String text,
            AnswerEvent.@Nullable TokenLogprob logprob,
            List<AnswerEvent.TokenLogprob> top) {
        tokens.add(new AnswerEvent.Token("request", 1, "instance", index, tokenId, text, logprob, top));
    }

    @Override
    public void finished(
            AnswerEvent.FinishReason reason,
            String text,
            AnswerEvent.Usage usage,
            StageTimes times,
            List<PictureLayout> pictures,
            List<Region> regions,
            List<String> notes) {
        assertThat(end.complete(new End(null, reason, text, usage, times, regions, notes)))
                .isTrue();
    }

    @Override
    public void failed(VlmException error) {
        assertThat(end.complete(new End(error, null, "", null, StageTimes.ZERO, List.of(), List.of())))
                .isTrue();
    }

    End await() {
        return end.orTimeout(20, TimeUnit.SECONDS).join();
    }

    VlmException awaitError() {
        VlmException error = await().error();
        assertThat(error).isNotNull();
        return java.util.Objects.requireNonNull(error);
    }

    List<Integer> ids() {
        return tokens.stream().map(AnswerEvent.Token::tokenId).toList();
    }

    List<Double> logprobs() {
        return tokens.stream()
                .map(token -> java.util.Objects.requireNonNull(token.logprob()).logprob())
                .toList();
    }

    String joined() {
        return String.join("", tokens.stream().map(AnswerEvent.Token::text).toList());
    }
}
