/**
 * From decoded pictures to the numbers that a vision encoder takes: resizing and normalising as Pillow and transformers do
 * it. Verified by {@code BicubicResizerTest} and {@code ChannelNormalizerTest}, and for whole pictures by each family's
 * contract test.
 */
@NullMarked
package org.vlmserve.families.preprocess;

import org.jspecify.annotations.NullMarked;
