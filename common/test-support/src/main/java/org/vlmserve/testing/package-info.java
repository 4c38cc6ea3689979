/** What tests share: golden files made with transformers, and assertions about tensors. Fuzzing has a package of its own. */
@NullMarked
package org.vlmserve.testing;

import org.jspecify.annotations.NullMarked;
