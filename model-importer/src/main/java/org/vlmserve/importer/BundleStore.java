package org.vlmserve.importer;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** The disk that bundles are written to. A test stands in for one that is full. */
class BundleStore {

    /** Bytes that can still be written under {@code directory}. */
    long availableBytes(Path directory) throws IOException {
        return Files.getFileStore(directory).getUsableSpace();
    }

    /** Opens a new file. */
    BundleFile create(Path file) throws IOException {
        return new BundleFile(FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE));
    }
}
