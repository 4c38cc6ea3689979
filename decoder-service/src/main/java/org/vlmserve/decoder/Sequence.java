package org.vlmserve.decoder;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.prompt.PreparedPrompt;
import org.vlmserve.messaging.PromptHandler.AnswerSink;
import org.vlmserve.messaging.PromptHandler.ReadyPrompt;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.PictureKey;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.StageTimes;

/**
 * One request while it is answered: its prompt, the tokens of its answer, and how many of them are in the cache. Tokens
 * that an earlier attempt logged are part of the answer from the beginning, but not of the cache.
 */
final class Sequence {

    private final ReadyPrompt ready;
    private final AnswerSink sink;
    private final PreparedPrompt prompt;
    private final SamplingState sampling;
    private final AnswerText text;
    private final Prefix prefix;
    private final int mostTokens;
    private final long startedAt;
    private int[] answer = new int[64];
    private int answered;
    private int cached;
    private int reused;
    private AnswerEvent.@Nullable FinishReason end;
    private long prefillAt;
    private long answerAt;

    /**
     * @param mostTokens length at which the answer ends
     * @param startedAt nanoseconds, when the request arrived
     */
    Sequence(
            ReadyPrompt ready,
            AnswerSink sink,
            PreparedPrompt prompt,
            SamplingState sampling,
            AnswerText text,
            int mostTokens,
            long startedAt) {
        this.ready = ready;
        this.sink = sink;
        this.prompt = prompt;
        this.sampling = sampling;
        this.text = text;
        this.mostTokens = mostTokens;
        this.startedAt = startedAt;
        this.prefillAt = startedAt;
        this.answerAt = startedAt;
        List<PictureKey> keys =
                ready.job().pictures().stream().map(picture -> picture.key()).toList();
        this.prefix = new Prefix(ready.job().envelope().tenant(), prompt, keys);
    }

    ReadyPrompt ready() {
        return ready;
    }

    AnswerSink sink() {
        return sink;
    }

    PreparedPrompt prompt() {
        return prompt;
    }

    SamplingState sampling() {
        return sampling;
    }

    AnswerText text() {
        return text;
    }

    Prefix prefix() {
        return prefix;
    }

    List<PictureLayout> layouts() {
        return ready.pictures().stream().map(picture -> picture.layout()).toList();
    }

    /** Whether the beginning of the cache can serve another prompt: not when all of a prompt sees all of it. */
    boolean reusable() {
        return prompt.prefill() == PreparedPrompt.Prefill.CAUSAL;
    }

    /** Takes the answer's next token in: gives what the text grows by and notes whether the answer is complete. */
    String accept(int tokenId) {
        if (answered == answer.length) {
            answer = Arrays.copyOf(answer, 2 * answered);
        }
        answer[answered++] = tokenId;
        sampling.accept(tokenId);
        String growth = text.append(tokenId);
        if (text.stopped() || endsAnswer(tokenId)) {
            end = AnswerEvent.FinishReason.STOP;
        } else if (answered == mostTokens) {
            end = AnswerEvent.FinishReason.LENGTH;
        }
        if (end != null) {
            growth += text.finish();
            if (text.stopped()) {
                end = AnswerEvent.FinishReason.STOP;
            }
        }
        return growth;
    }

    private boolean endsAnswer(int tokenId) {
        return sampling.parameters().endTokens().contains(tokenId)
                && answered > sampling.parameters().minTokens();
    }

    /** Why the answer is complete, or null while it is not. */
    AnswerEvent.@Nullable FinishReason end() {
        return end;
    }

    /** Tokens of the answer so far. */
    int answered() {
        return answered;
    }

    /** The answer's tokens so far. */
    int[] answerTokens() {
        return Arrays.copyOf(answer, answered);
    }

    /** Positions in the cache. */
    int cached() {
        return cached;
    }

    void beginPrefill(int reused, long now) {
        this.reused = reused;
        cached = reused;
        prefillAt = now;
        answerAt = now;
    }

    /**
     * Positions that are prefilled rather than decoded. A replayed answer belongs to them, unless the prompt is prefilled
     * in one piece: the answer behind it is causal and therefore decoded again.
     */
    int prefillLength() {
        return reusable() ? prompt.length() + answered : prompt.length();
    }

    /** The token at a position behind the prompt. */
    int answerToken(int position) {
        return answer[position - prompt.length()];
    }

    /** The rotary position, the same in every channel, of a token behind the prompt. */
    long answerPosition(int position) {
        return prompt.nextPosition() + (position - prompt.length());
    }

    /** The cache holds so many positions more. */
    void advance(int positions) {
        for (int position = cached; position < cached + positions; position++) {
            if (position < prompt.length()) {
                prefix.extend(position + 1);
            } else {
                prefix.append(answerToken(position), answerPosition(position));
            }
        }
        cached += positions;
    }

    /** Whether the cache holds all there is, so that the last row's logits choose the next token. */
    boolean caughtUp() {
        return cached == prompt.length() + answered;
    }

    /** This attempt's first token came. */
    void answerBegins(long now) {
        answerAt = now;
    }

    /** What the way here and the stage itself have cost until now. */
    StageTimes times(long now) {
        return ready.times()
                .plus(StageTimes.ZERO
                        .withQueue(Duration.ofNanos(prefillAt - startedAt))
                        .withPrefill(Duration.ofNanos(answerAt - prefillAt))
                        .withAnswer(Duration.ofNanos(now - answerAt)));
    }

    AnswerEvent.Usage usage() {
        return new AnswerEvent.Usage(prompt.length(), prompt.pictureTokens(), reused, answered);
    }
}
