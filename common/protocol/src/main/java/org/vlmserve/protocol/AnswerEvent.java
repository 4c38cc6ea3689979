package org.vlmserve.protocol;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.ErrorCode;

/**
 * Topic {@code tokens}: the log of answers. A decoder first claims a prompt with {@link Started}; all that follows names
 * that claim. The highest attempt counts, the first claim of an attempt wins, and a reader drops what superseded claims
 * wrote and every token index that it has seen.
 */
public sealed interface AnswerEvent extends WireMessage {

    String requestId();

    /** Attempt number, from 1. */
    int attempt();

    /** The decoder instance that wrote this. */
    String instance();

    /** Claims the request. Tokens that earlier attempts logged stay valid; this attempt goes on at the next index. */
    record Started(String requestId, int attempt, String instance) implements AnswerEvent {}

    /**
     * One generated token.
     *
     * @param index from 0, counted over all attempts
     * @param text what the answer grows by: empty while a multi-byte character or a stop text is undecided
     * @param logprob natural logarithm of the model's own probability, before temperature and penalties; null if not asked
     */
    record Token(
            String requestId,
            int attempt,
            String instance,
            int index,
            int tokenId,
            String text,
            @Nullable TokenLogprob logprob,
            List<TokenLogprob> top)
            implements AnswerEvent {
        public Token {
            top = List.copyOf(top);
        }
    }

    /**
     * @param bytes the token's own bytes, which need not be whole characters
     * @param logprob natural logarithm
     */
    record TokenLogprob(int tokenId, byte[] bytes, double logprob) {}

    /**
     * The answer is complete.
     *
     * @param text all of it
     * @param regions boxes that the answer locates in the pictures, as far as the family knows such answers
     * @param notes sentences for the caller about how the answer came to be, where a setting of his had not the effect that he may expect
     */
    record Finished(
            String requestId,
            int attempt,
            String instance,
            FinishReason reason,
            String text,
            Usage usage,
            StageTimes times,
            List<PictureLayout> pictures,
            List<Region> regions,
            List<String> notes)
            implements AnswerEvent {
        public Finished {
            pictures = List.copyOf(pictures);
            regions = List.copyOf(regions);
            notes = List.copyOf(notes);
        }
    }

    /** The request ends without a complete answer. */
    record Failed(String requestId, int attempt, String instance, ErrorCode code, String message)
            implements AnswerEvent {}

    /** The decoder lacks these pictures; the gateway sends them again. Attempt is 0: nothing was claimed. */
    record Missing(String requestId, int attempt, String instance, List<PictureKey> pictures) implements AnswerEvent {
        public Missing {
            pictures = List.copyOf(pictures);
        }
    }

    /**
     * The claim is given up in good order, by an instance that shuts down: its attempt is over and has not failed.
     * Tokens that it logged stay valid.
     */
    record Released(String requestId, int attempt, String instance) implements AnswerEvent {}

    /** The layout of the request's picture {@code index}, which a {@link PlanJob} asked for. Attempt is 0. */
    record Planned(String requestId, int attempt, String instance, int index, PictureLayout layout)
            implements AnswerEvent {}

    /** Why generation ended. */
    enum FinishReason {
        STOP,
        LENGTH
    }

    /**
     * @param promptTokens length of the reference's {@code input_ids}, pictures included
     * @param pictureTokens how many of them are pictures'
     * @param cachedTokens how many of them were found in the prefix cache
     */
    record Usage(int promptTokens, int pictureTokens, int cachedTokens, int completionTokens) {}
}
