package org.vlmserve.messaging;

import org.vlmserve.protocol.AnswerEvent;

/**
 * Receives one request's answer in order, without duplicates, from one thread of the road; it must not block. The last
 * event is {@link AnswerEvent.Finished} or {@link AnswerEvent.Failed}; {@code Started} and {@code Missing} never arrive.
 */
@FunctionalInterface
public interface AnswerListener {

    void onEvent(AnswerEvent event);
}
