@NullMarked
package org.vlmserve.families;

import org.jspecify.annotations.NullMarked;
