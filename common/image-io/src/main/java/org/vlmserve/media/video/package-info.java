/**
 * From the bytes of a video file to frames in RGB, with FFmpeg. The only user of FFmpeg: what a file
 * claims is checked before it is believed, only a short list of containers and codecs is opened, nothing is read but the
 * given bytes, and each packet asks whether anybody still waits. What callers send is decoded in a child process. Verified
 * by {@code VideoDecoderTest} on files that it writes itself.
 */
@NullMarked
package org.vlmserve.media.video;

import org.jspecify.annotations.NullMarked;
