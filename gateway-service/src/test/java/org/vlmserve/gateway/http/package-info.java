@NullMarked
package org.vlmserve.gateway.http;

import org.jspecify.annotations.NullMarked;
