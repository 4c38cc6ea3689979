@NullMarked
package org.vlmserve.gateway.chat;

import org.jspecify.annotations.NullMarked;
