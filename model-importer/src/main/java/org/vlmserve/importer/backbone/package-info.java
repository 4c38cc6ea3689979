/**
 * Whole networks that several families have in common: decoders and vision towers, their sizes and choices as data. In come a
 * specification and the tensors by their names within the network, out comes a graph. Verified by the goldens of the families
 * that use them.
 */
@NullMarked
package org.vlmserve.importer.backbone;

import org.jspecify.annotations.NullMarked;
