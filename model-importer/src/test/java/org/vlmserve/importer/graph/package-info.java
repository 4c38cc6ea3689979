/** Tests of the building blocks against plain loops. */
@NullMarked
package org.vlmserve.importer.graph;

import org.jspecify.annotations.NullMarked;
