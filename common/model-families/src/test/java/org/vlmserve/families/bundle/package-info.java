@NullMarked
package org.vlmserve.families.bundle;

import org.jspecify.annotations.NullMarked;
