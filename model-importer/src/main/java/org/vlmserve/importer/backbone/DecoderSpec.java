package org.vlmserve.importer.backbone;

import org.vlmserve.importer.graph.Activation;

/**
 * The sizes and choices of a pre-norm decoder with RMS norms, rotary positions and a gated MLP, which is what Llama, Mistral
 * and Gemma are.
 *
 * @param queryKeyValueBias whether those three projections have a bias
 * @param unitOffsetNorms whether a norm multiplies by 1 + w, as Gemma's do, rather than by w
 * @param sandwichNorms whether what attention and MLP give is normalised before it joins the residual stream, as in Gemma 2
 */
public record DecoderSpec(
        int hidden,
        int intermediate,
        int layers,
        int heads,
        int kvHeads,
        int headDim,
        int vocabulary,
        double rmsNormEps,
        boolean queryKeyValueBias,
        boolean unitOffsetNorms,
        boolean sandwichNorms,
        Activation activation) {}
