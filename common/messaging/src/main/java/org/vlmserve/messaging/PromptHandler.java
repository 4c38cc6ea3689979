package org.vlmserve.messaging;

import java.util.List;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.PictureKey;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PromptJob;
import org.vlmserve.protocol.Region;
import org.vlmserve.protocol.StageTimes;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.Tensor;

/** A decoder, as the road sees it. All methods are called from one thread of the road and must return at once. */
public interface PromptHandler {

    /** How many more prompts would start to be decoded at once. The road keeps the rest waiting, in order. */
    int freeSlots();

    /**
     * Starts to answer a claimed prompt whose inputs are complete. The answer goes to {@code sink}, from any thread, and
     * ends with exactly one of {@link AnswerSink#finished} and {@link AnswerSink#failed}.
     */
    void start(ReadyPrompt prompt, AnswerSink sink);

    /**
     * A prompt with everything that it takes to answer it.
     *
     * @param pictures one for each of {@link PromptJob#pictures()}, in that order
     * @param attempt from 1; above 1 an earlier decoder died
     * @param logged tokens that earlier attempts logged, indices 0 to n-1: they are replayed, not generated again
     * @param times spent on the way here: queues, and the pictures' stages
     */
    record ReadyPrompt(
            PromptJob job,
            List<ReadyPicture> pictures,
            int attempt,
            List<AnswerEvent.Token> logged,
            StageTimes times) {}

    /** @param embeddings float [layout.embeddingRows(), hidden] */
    record ReadyPicture(PictureKey key, PictureLayout layout, Tensor embeddings) {}

    /** Where the answer goes. Request, attempt and instance are filled in by the road. */
    interface AnswerSink {

        /**
         * Asked before each step.
         *
         * @throws VlmException {@code CANCELLED} or {@code DEADLINE_EXCEEDED} when nobody waits any more; the decoder
         *     frees the slot and calls {@link #failed} with it
         */
        void checkpoint();

        void token(
                int index,
                int tokenId,
                String text,
                AnswerEvent.@org.jspecify.annotations.Nullable TokenLogprob logprob,
                List<AnswerEvent.TokenLogprob> top);

        void finished(
                AnswerEvent.FinishReason reason,
                String text,
                AnswerEvent.Usage usage,
                StageTimes times,
                List<PictureLayout> pictures,
                List<Region> regions,
                List<String> notes);

        void failed(VlmException error);
    }
}
