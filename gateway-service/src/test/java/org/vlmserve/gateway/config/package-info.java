@NullMarked
package org.vlmserve.gateway.config;

import org.jspecify.annotations.NullMarked;
