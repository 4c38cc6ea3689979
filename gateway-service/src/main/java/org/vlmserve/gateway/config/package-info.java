/**
 * The gateway's configuration: one small record a concern, bound from {@code vlm.*} by constructor and validated there.
 * Properties come in, values that are safe to use go out. Verified by {@code ConfigTest}.
 */
@NullMarked
package org.vlmserve.gateway.config;

import org.jspecify.annotations.NullMarked;
