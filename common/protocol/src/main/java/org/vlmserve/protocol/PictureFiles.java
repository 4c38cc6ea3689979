package org.vlmserve.protocol;

import java.util.List;

/**
 * A picture or a video with its bytes as they came.
 *
 * @param files one for a picture; for a video its file, or its frames as picture files in the order of time. Together at most
 *     {@link ProtocolLimits#MAX_PICTURE_BYTES}
 * @param sampling which frames of a video's file are taken; a list of frames is taken as it is
 */
public record PictureFiles(Medium medium, List<byte[]> files, FrameSampling sampling) implements PlanJob.Subject {

    public PictureFiles {
        files = List.copyOf(files);
        if (files.isEmpty() || (medium == Medium.PICTURE && files.size() != 1)) {
            throw new IllegalArgumentException("a " + medium + " of " + files.size() + " files, expected "
                    + (medium == Medium.PICTURE ? "one" : "at least one"));
        }
    }

    /** With the checkpoint's and the operator's choice of frames. */
    public PictureFiles(Medium medium, List<byte[]> files) {
        this(medium, files, FrameSampling.DEFAULT);
    }

    public static PictureFiles still(byte[] file) {
        return new PictureFiles(Medium.PICTURE, List.of(file));
    }

    /** Bytes of all files together. */
    public long size() {
        return files.stream().mapToLong(file -> file.length).sum();
    }
}
