/**
 * From the bytes of a video file to frames in RGB, with FFmpeg. The only user of FFmpeg, and of native code that reads what
 * callers send: what a file claims is checked before it is believed, only a short list of containers and codecs is
 * opened, nothing is read but the given bytes, and each packet asks whether anybody still waits. Verified by
 * {@code VideoDecoderTest} on files that it writes itself.
 */
@NullMarked
package org.vlmserve.media.video;

import org.jspecify.annotations.NullMarked;
