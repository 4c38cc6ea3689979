/**
 * The Kafka road between the gateway and the stages, and the only user of Kafka clients: share-group job queues, the join
 * of prompts and pictures in front of a decoder, the durable log of answers, liveness, cancellation and dead letters.
 * Verified against a real broker by the tests of this module, with echo stages in place of models.
 */
@NullMarked
package org.vlmserve.messaging;

import org.jspecify.annotations.NullMarked;
