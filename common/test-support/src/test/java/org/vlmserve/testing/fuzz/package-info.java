@NullMarked
package org.vlmserve.testing.fuzz;

import org.jspecify.annotations.NullMarked;
