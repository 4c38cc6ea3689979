/**
 * Chat completions: an OpenAI request body becomes an {@link org.vlmserve.messaging.AskRequest} or an error that names the
 * field, and the road's events become an OpenAI response or stream. {@code docs/api.md} lists each field. Verified by
 * {@code ChatRequestParserTest}, {@code ChatCompletionsTest}, {@code StreamingTest} and the tests with official clients.
 */
@NullMarked
package org.vlmserve.gateway.chat;

import org.jspecify.annotations.NullMarked;
