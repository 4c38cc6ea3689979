/** The manifest of a bundle: what the importer writes and every stage reads. */
@NullMarked
package org.vlmserve.families.bundle;

import org.jspecify.annotations.NullMarked;
