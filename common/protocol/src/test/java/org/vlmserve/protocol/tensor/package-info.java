/** Shapes against bytes. */
@NullMarked
package org.vlmserve.protocol.tensor;

import org.jspecify.annotations.NullMarked;
