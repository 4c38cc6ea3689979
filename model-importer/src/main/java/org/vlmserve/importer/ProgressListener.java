package org.vlmserve.importer;

/** Follows an import. Calls come from several threads at once. */
public interface ProgressListener {

    ProgressListener SILENT = new ProgressListener() {
        @Override
        public void judging() {}

        @Override
        public void started(long totalBytes) {}

        @Override
        public void written(long bytes) {}

        @Override
        public void finishing() {}

        @Override
        public void checking(int steps) {}

        @Override
        public void checked() {}
    };

    /** Weights are read to choose their formats; nothing is written yet. */
    void judging();

    /** Before the first weight is written. */
    void started(long totalBytes);

    /** {@code bytes} more are written. */
    void written(long bytes);

    /** All weights are written; the bundle gets its manifest and its revision. */
    void finishing();

    /** The bundle is complete, and is held against the checkpoint in so many steps. */
    void checking(int steps);

    /** One step more is done. */
    void checked();
}
