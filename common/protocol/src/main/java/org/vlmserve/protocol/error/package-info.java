/** The closed list of what can go wrong, who is to blame, and what a caller should do about it. */
@NullMarked
package org.vlmserve.protocol.error;

import org.jspecify.annotations.NullMarked;
