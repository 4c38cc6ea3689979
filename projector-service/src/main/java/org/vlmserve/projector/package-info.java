/**
 * The projector: features come in slices, embeddings in the decoder's width go out. It knows rows and groups of rows, no
 * pictures. Verified by {@code ProjectorStageTest}.
 */
@NullMarked
package org.vlmserve.projector;

import org.jspecify.annotations.NullMarked;
