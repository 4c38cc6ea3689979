/** Tests of the building blocks against plain loops. */
@NullMarked
package org.vlmserve.importer.backbone;

import org.jspecify.annotations.NullMarked;
