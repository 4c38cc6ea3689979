@NullMarked
package org.vlmserve.families.qwen2vl;

import org.jspecify.annotations.NullMarked;
