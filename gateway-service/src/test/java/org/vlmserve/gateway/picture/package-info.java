@NullMarked
package org.vlmserve.gateway.picture;

import org.jspecify.annotations.NullMarked;
