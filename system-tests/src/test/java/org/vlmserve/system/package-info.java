/** Tests of the suite as a whole, and the stages joined in one process as their yardstick. */
@NullMarked
package org.vlmserve.system;

import org.jspecify.annotations.NullMarked;
