/** The list of errors against itself. */
@NullMarked
package org.vlmserve.protocol.error;

import org.jspecify.annotations.NullMarked;
