package org.vlmserve.protocol;

/**
 * A box that an answer locates in a picture.
 *
 * @param label the answer's own word for it; may be empty
 * @param picture which of the prompt's pictures
 * @param x1 left edge, pixels of the picture as it was given, after EXIF orientation
 * @param y1 upper edge
 * @param x2 right edge
 * @param y2 lower edge
 */
public record Region(String label, int picture, double x1, double y1, double x2, double y2) {}
