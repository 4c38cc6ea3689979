package org.vlmserve.media;

/**
 * What is known of a video file before any frame is decoded.
 *
 * @param frames how many there are, at least 1
 * @param fps frames a second, on average; above 0
 * @param width pixels, turned upright
 * @param height pixels, turned upright
 */
public record VideoStream(int frames, double fps, int width, int height) {}
