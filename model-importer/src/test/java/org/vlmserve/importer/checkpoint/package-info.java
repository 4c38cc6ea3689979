/** Tests of reading checkpoints, whole and damaged. */
@NullMarked
package org.vlmserve.importer.checkpoint;

import org.jspecify.annotations.NullMarked;
