package org.vlmserve.importer.graph;

/**
 * What comes out where a block's result joins the residual stream.
 *
 * @param values the normalised sum [.., H], the next block's input
 * @param residual the sum itself [.., H]
 */
public record Normalized(Value values, Value residual) {}
