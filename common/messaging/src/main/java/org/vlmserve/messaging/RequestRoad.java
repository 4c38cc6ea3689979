package org.vlmserve.messaging;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.error.VlmException;

/**
 * The gateway's end of the road: chooses revision and route, keys pictures and sends those that a decoder is not known to
 * hold, sends again what is missing, and follows the answer through claims, take-overs and duplicates.
 */
public interface RequestRoad extends AutoCloseable {

    StatusBoard status();

    /**
     * Produces the request and returns once Kafka has acknowledged it.
     *
     * @throws VlmException {@code MODEL_NOT_FOUND}, {@code STAGE_UNAVAILABLE} (naming the stage), {@code PICTURE_TOO_LARGE},
     *     {@code OVERLOADED} (each decoder is full), {@code DEADLINE_EXCEEDED}
     */
    Answer submit(AskRequest request, AnswerListener listener);

    @Override
    void close();

    /**
     * Asks what pictures would cost, and returns once Kafka has acknowledged the question.
     *
     * @return a layout for each picture, in order; fails with a {@link VlmException}. Cancelling it tells the stages
     * @throws VlmException as {@link #submit} does
     */
    CompletableFuture<List<PictureLayout>> plan(PlanRequest request);

    /** A request on its way. */
    interface Answer {

        String requestId();

        /** Tells every stage that nobody waits any more; the listener hears nothing after this. */
        void cancel();
    }
}
