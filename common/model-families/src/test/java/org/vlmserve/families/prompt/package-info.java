@NullMarked
package org.vlmserve.families.prompt;

import org.jspecify.annotations.NullMarked;
