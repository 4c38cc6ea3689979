package org.vlmserve.messaging;

import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Waiting for the road's own threads to end. */
final class Threads {

    private static final Logger log = LoggerFactory.getLogger(Threads.class);

    private Threads() {}

    static void join(Thread thread, Duration atMost) {
        try {
            if (!thread.join(atMost)) {
                log.warn("thread {} has not ended within {} ms", thread.getName(), atMost.toMillis());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
