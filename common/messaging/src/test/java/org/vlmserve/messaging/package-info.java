/** Echo stages on a real broker: what the road promises, told without models. */
@NullMarked
package org.vlmserve.messaging;

import org.jspecify.annotations.NullMarked;
