/**
 * From the bytes of a picture file to the numbers that a vision encoder takes: decoding, resizing and normalising as Pillow
 * and transformers do it. Verified by {@code PictureDecoderTest}, {@code BicubicResizerTest} and
 * {@code ChannelNormalizerTest}, and for whole pictures by each family's contract test.
 */
@NullMarked
package org.vlmserve.families.preprocess;

import org.jspecify.annotations.NullMarked;
