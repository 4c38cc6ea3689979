@NullMarked
package org.vlmserve.families.llava;

import org.jspecify.annotations.NullMarked;
