/**
 * What crosses a process boundary, and nothing else: the records that the gateway and the three stages exchange over
 * Kafka. {@code docs/protocol.md} lists every record field by field; {@code WireCodecTest} holds both together.
 */
@NullMarked
package org.vlmserve.protocol;

import org.jspecify.annotations.NullMarked;
