/**
 * Everything that one model family knows and another does not, behind {@link org.vlmserve.families.ModelFamily}: a package
 * for each family, and the building blocks that families share in {@code bundle}, {@code preprocess}, {@code prompt} and
 * {@code position}. Numbers are data in the bundle's manifest; only behaviour is code. Verified against the reference's
 * goldens.
 */
@NullMarked
package org.vlmserve.families;

import org.jspecify.annotations.NullMarked;
