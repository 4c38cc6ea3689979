package org.vlmserve.media;

/**
 * A picture out of its file, turned upright.
 *
 * @param framesInFile how many pages or frames the file holds, of which this is the first
 */
public record StillPicture(RgbPicture rgb, int framesInFile) {}
