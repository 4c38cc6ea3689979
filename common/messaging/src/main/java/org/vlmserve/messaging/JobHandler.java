package org.vlmserve.messaging;

import org.vlmserve.protocol.WireMessage;
import org.vlmserve.protocol.error.VlmException;

/**
 * The work of one stage on one job. A {@link VlmException} is the caller's answer: it is published as a failure of the
 * picture and the job is done. Any other exception counts as a crash: the job is released for another try and, after
 * {@link RoadConfig#maxDeliveries()}, ends as poisoned at its caller and on the dead-letter topic.
 */
@FunctionalInterface
public interface JobHandler<J extends WireMessage> {

    void handle(J job, JobContext context) throws Exception;
}
