package org.vlmserve.protocol;

import java.util.List;

/**
 * A picture or a video with its bytes as they came.
 *
 * @param files one for a picture; for a video its file, or its frames as picture files in the order of time. Together at most
 *     {@link ProtocolLimits#MAX_PICTURE_BYTES}
 * @param sampling which frames of a video's file are taken; a list of frames is taken as it is
 * @param rendering of the files' transparency and deep samples
 */
public record PictureFiles(Medium medium, List<byte[]> files, FrameSampling sampling, Rendering rendering)
        implements PlanJob.Subject {

    public PictureFiles {
        files = List.copyOf(files);
        if (files.isEmpty() || (medium == Medium.PICTURE && files.size() != 1)) {
            throw new IllegalArgumentException("a " + medium + " of " + files.size() + " files, expected "
                    + (medium == Medium.PICTURE ? "one" : "at least one"));
        }
    }

    /** As a person sees it. */
    public PictureFiles(Medium medium, List<byte[]> files, FrameSampling sampling) {
        this(medium, files, sampling, Rendering.VIEWER);
    }

    /** As a person sees it, with the checkpoint's and the operator's choice of frames. */
    public PictureFiles(Medium medium, List<byte[]> files) {
        this(medium, files, FrameSampling.DEFAULT);
    }

    /** A picture as a person sees it. */
    public static PictureFiles still(byte[] file) {
        return new PictureFiles(Medium.PICTURE, List.of(file));
    }

    /** The same files, with their transparency and deep samples treated so. */
    public PictureFiles rendered(Rendering as) {
        return new PictureFiles(medium, files, sampling, as);
    }

    /** Bytes of all files together. */
    public long size() {
        return files.stream().mapToLong(file -> file.length).sum();
    }
}
