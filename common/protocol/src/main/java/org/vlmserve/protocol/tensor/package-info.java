/** A dense tensor: element type, shape and little-endian bytes. No arithmetic lives here. */
@NullMarked
package org.vlmserve.protocol.tensor;

import org.jspecify.annotations.NullMarked;
