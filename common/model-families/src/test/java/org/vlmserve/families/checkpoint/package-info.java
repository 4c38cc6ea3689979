@NullMarked
package org.vlmserve.families.checkpoint;

import org.jspecify.annotations.NullMarked;
