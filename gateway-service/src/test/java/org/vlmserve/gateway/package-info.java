/** The gateway as its callers meet it, over real sockets and a hand-written road. */
@NullMarked
package org.vlmserve.gateway;

import org.jspecify.annotations.NullMarked;
