package org.vlmserve.messaging;

import org.vlmserve.protocol.Envelope;
import org.vlmserve.protocol.WireMessage;
import org.vlmserve.protocol.error.VlmException;

/** What a queue hands a worker together with a job. */
public interface JobContext {

    /** How long the job waited, from its record's time to its first delivery here. */
    java.time.Duration waited();

    /**
     * To be called before each expensive step.
     *
     * @throws VlmException {@code CANCELLED} or {@code DEADLINE_EXCEEDED} when nobody waits for the job any more
     */
    void checkpoint();

    /**
     * Sends an output. The job is accepted only after all its outputs are acknowledged.
     */
    void publish(WireMessage output);

    Envelope envelope();
}
