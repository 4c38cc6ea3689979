package org.vlmserve.protocol;

/**
 * What was given, before any resizing.
 *
 * @param frames 1 for a picture
 * @param width pixels, after EXIF orientation
 * @param height pixels, after EXIF orientation
 */
public record PictureSource(Medium medium, int frames, int width, int height) implements PlanJob.Subject {

    public static PictureSource still(int width, int height) {
        return new PictureSource(Medium.PICTURE, 1, width, height);
    }
}
