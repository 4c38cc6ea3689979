/** Every record there and back, and every way in which its bytes can be wrong. */
@NullMarked
package org.vlmserve.protocol;

import org.jspecify.annotations.NullMarked;
