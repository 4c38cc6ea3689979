/**
 * Builds ONNX graphs in Java, with their weights in a file beside them: {@code OnnxGraph} holds nodes, {@code WeightFile} the
 * weights that will be written, {@code Linear} and the other blocks what models are made of. In come tensors of a checkpoint, out
 * come {@code graph.onnx} and {@code weights.bin}. Verified by {@code BlocksTest} and by the goldens in {@code GoldenTest}.
 */
@NullMarked
package org.vlmserve.importer.graph;

import org.jspecify.annotations.NullMarked;
