@NullMarked
package org.vlmserve.families.jinja;

import org.jspecify.annotations.NullMarked;
