/**
 * Rotary positions of a prompt: in go runs of text and pictures, out come the positions of each channel. Verified by
 * {@code MropePositionsTest} and the goldens of the families that use them.
 */
@NullMarked
package org.vlmserve.families.position;

import org.jspecify.annotations.NullMarked;
