/**
 * The decoder: prompts whose pictures are complete come in, tokens go out. {@link org.vlmserve.decoder.DecoderStage}
 * batches requests continuously over one {@link org.vlmserve.decoder.TokenModel}; what decides a token is in
 * {@link org.vlmserve.decoder.Sampler}, what decides the text in {@link org.vlmserve.decoder.AnswerText}, what decides
 * which cache is kept in {@link org.vlmserve.decoder.Slots}. Verified by {@code DecoderStageTest} against a model whose
 * logits depend on every byte that a request's cache should hold.
 */
@NullMarked
package org.vlmserve.decoder;

import org.jspecify.annotations.NullMarked;
