@NullMarked
package org.vlmserve.media.video;

import org.jspecify.annotations.NullMarked;
