@NullMarked
package org.vlmserve.families.llavanext;

import org.jspecify.annotations.NullMarked;
