package org.vlmserve.protocol;

import java.util.List;

/**
 * A picture or a video with its bytes as they came.
 *
 * @param files one for a picture; for a video its file, or its frames as picture files in the order of time. Together at most
 *     {@link ProtocolLimits#MAX_PICTURE_BYTES}
 */
public record PictureFiles(Medium medium, List<byte[]> files) implements PlanJob.Subject {

    public PictureFiles {
        files = List.copyOf(files);
        if (files.isEmpty() || (medium == Medium.PICTURE && files.size() != 1)) {
            throw new IllegalArgumentException("a " + medium + " of " + files.size() + " files, expected "
                    + (medium == Medium.PICTURE ? "one" : "at least one"));
        }
    }

    public static PictureFiles still(byte[] file) {
        return new PictureFiles(Medium.PICTURE, List.of(file));
    }

    /** Bytes of all files together. */
    public long size() {
        return files.stream().mapToLong(file -> file.length).sum();
    }
}
