/**
 * One machine, one command: what {@code bin/vlm} runs. In go a command line, the checkpoints of {@code models/} and the
 * programs that the build put together; out come a Kafka broker and the services as processes of their own, and an answer.
 * All that outlives a command is files in one state directory, {@link org.vlmserve.launcher.Home}.
 *
 * <p>Plain Java, so that a command starts at once. Verified by {@code VlmTest} with fake services, {@code ForcedChoicesTest} for
 * what differs between machines, {@code BrokerTest} with a real broker, {@code BinVlmTest} and {@code CiRunTest} for the scripts.
 */
@NullMarked
package org.vlmserve.launcher;

import org.jspecify.annotations.NullMarked;
