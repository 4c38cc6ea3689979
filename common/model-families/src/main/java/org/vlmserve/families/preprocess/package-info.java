/** From the bytes of a picture file to the numbers that a vision encoder takes. */
@NullMarked
package org.vlmserve.families.preprocess;

import org.jspecify.annotations.NullMarked;
