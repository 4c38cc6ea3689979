package org.vlmserve.importer;

/** Follows an import. Calls come from several threads at once. */
public interface ProgressListener {

    ProgressListener SILENT = new ProgressListener() {
        @Override
        public void started(long totalBytes) {}

        @Override
        public void written(long bytes) {}

        @Override
        public void finishing() {}
    };

    /** Before the first weight. */
    void started(long totalBytes);

    /** {@code bytes} more are written. */
    void written(long bytes);

    /** All weights are written; the bundle is checked and put in place. */
    void finishing();
}
