@NullMarked
package org.vlmserve.testing;

import org.jspecify.annotations.NullMarked;
