/**
 * From the bytes of a picture file to 8-bit RGB as Pillow gives it. What a file claims is checked before it is believed.
 * Verified by {@code PictureDecoderTest} against Pillow's own results.
 */
@NullMarked
package org.vlmserve.media.picture;

import org.jspecify.annotations.NullMarked;
