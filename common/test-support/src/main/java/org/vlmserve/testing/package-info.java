/** What tests share: golden files made with transformers, and assertions about tensors. */
@NullMarked
package org.vlmserve.testing;

import org.jspecify.annotations.NullMarked;
