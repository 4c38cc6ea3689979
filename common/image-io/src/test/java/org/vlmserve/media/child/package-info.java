@NullMarked
package org.vlmserve.media.child;

import org.jspecify.annotations.NullMarked;
