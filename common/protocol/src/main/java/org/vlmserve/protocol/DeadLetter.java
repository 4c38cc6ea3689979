package org.vlmserve.protocol;

import java.time.Instant;
import org.vlmserve.protocol.error.ErrorCode;

/**
 * Topic {@code <topic>.dead}: a record that could not be processed, kept for an operator.
 *
 * @param topic where it was read
 * @param detail what went wrong, without content of pictures or prompts
 * @param record the original value
 */
public record DeadLetter(
        String topic,
        int partition,
        long offset,
        ErrorCode code,
        String detail,
        String instance,
        Instant at,
        byte[] record)
        implements WireMessage {}
