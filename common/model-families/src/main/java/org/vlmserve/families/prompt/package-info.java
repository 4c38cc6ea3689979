/**
 * From a conversation to token ids, and from token ids back to exact text. Verified by {@code ChatTemplateTest} and by each
 * family's contract test.
 */
@NullMarked
package org.vlmserve.families.prompt;

import org.jspecify.annotations.NullMarked;
