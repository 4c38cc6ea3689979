/** Tests of the engine on graphs that they build themselves. */
@NullMarked
package org.vlmserve.onnx;

import org.jspecify.annotations.NullMarked;
