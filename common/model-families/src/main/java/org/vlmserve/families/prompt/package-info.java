/** From a conversation to token ids, and from token ids back to exact text. */
@NullMarked
package org.vlmserve.families.prompt;

import org.jspecify.annotations.NullMarked;
