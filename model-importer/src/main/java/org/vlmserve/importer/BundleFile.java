package org.vlmserve.importer;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import org.vlmserve.importer.graph.PositionedOutput;

/** A file of a bundle that is being written. */
class BundleFile implements PositionedOutput, Closeable {

    private final FileChannel channel;

    BundleFile(FileChannel channel) {
        this.channel = channel;
    }

    @Override
    public void write(ByteBuffer data, long offset) throws IOException {
        long at = offset;
        while (data.hasRemaining()) {
            at += channel.write(data, at);
        }
    }

    /** Returns when everything is on the disk. */
    void force() throws IOException {
        channel.force(true);
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
