/**
 * Decoding of what callers send and nobody has looked at. {@link org.vlmserve.media.FileFormat} tells files apart for
 * everyone; the packages below turn them into {@link org.vlmserve.media.RgbPicture}s. Verified by {@code FileFormatTest}
 * and {@code IsolatedFilesTest}.
 */
@NullMarked
package org.vlmserve.media;

import org.jspecify.annotations.NullMarked;
