@NullMarked
package org.vlmserve.media.picture;

import org.jspecify.annotations.NullMarked;
