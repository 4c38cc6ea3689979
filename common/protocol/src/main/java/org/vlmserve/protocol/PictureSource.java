package org.vlmserve.protocol;

/**
 * What was given, before any resizing.
 *
 * @param frames 1 for a picture
 * @param width pixels, after EXIF orientation
 * @param height pixels, after EXIF orientation
 * @param framesInFile how many pages or frames the file holds, read or not; {@code frames} where there is no file
 */
public record PictureSource(Medium medium, int frames, int width, int height, int framesInFile)
        implements PlanJob.Subject {

    /** Of which all was read. */
    public PictureSource(Medium medium, int frames, int width, int height) {
        this(medium, frames, width, height, frames);
    }

    public static PictureSource still(int width, int height) {
        return new PictureSource(Medium.PICTURE, 1, width, height);
    }
}
