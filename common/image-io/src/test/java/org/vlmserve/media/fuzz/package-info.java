@NullMarked
package org.vlmserve.media.fuzz;

import org.jspecify.annotations.NullMarked;
