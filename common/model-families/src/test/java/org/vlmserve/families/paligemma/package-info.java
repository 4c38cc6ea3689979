@NullMarked
package org.vlmserve.families.paligemma;

import org.jspecify.annotations.NullMarked;
