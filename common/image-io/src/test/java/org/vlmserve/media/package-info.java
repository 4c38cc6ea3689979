@NullMarked
package org.vlmserve.media;

import org.jspecify.annotations.NullMarked;
