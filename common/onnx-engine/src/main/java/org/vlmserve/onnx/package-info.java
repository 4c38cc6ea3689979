/**
 * The only user of ONNX Runtime: sessions over a bundle's graphs, key-value caches that are updated in place, and the
 * embedding table. It sees graphs and tensors, never a family. Verified by tiny graphs that the tests build themselves.
 */
@NullMarked
package org.vlmserve.onnx;

import org.jspecify.annotations.NullMarked;
