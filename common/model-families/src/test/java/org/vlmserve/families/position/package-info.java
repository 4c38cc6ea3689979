@NullMarked
package org.vlmserve.families.position;

import org.jspecify.annotations.NullMarked;
