@NullMarked
package org.vlmserve.families.preprocess;

import org.jspecify.annotations.NullMarked;
