package org.vlmserve.importer;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.vlmserve.importer.graph.PositionedOutput;

/** A file of a bundle that is being written. The disk works on what is there while more is made. */
class BundleFile implements PositionedOutput, Closeable {

    /** Bytes after which the disk is given its share. Left to itself, an operating system begins with a tenth of the memory. */
    private static final long SHARE = 128 << 20;

    private final FileChannel channel;
    private long kept;
    private CompletableFuture<Void> flushed = CompletableFuture.completedFuture(null);

    BundleFile(FileChannel channel) {
        this.channel = channel;
    }

    @Override
    public void write(ByteBuffer data, long offset) throws IOException {
        long at = offset;
        while (data.hasRemaining()) {
            at += channel.write(data, at);
        }
        flushBehind(at - offset);
    }

    private synchronized void flushBehind(long written) {
        kept += written;
        if (kept >= SHARE && flushed.isDone() && !flushed.isCompletedExceptionally()) {
            kept = 0;
            flushed = CompletableFuture.runAsync(() -> {
                try {
                    channel.force(false);
                } catch (IOException e) {
                    throw new CompletionException(e);
                }
            });
        }
    }

    private synchronized CompletableFuture<Void> flushed() {
        return flushed;
    }

    /** Returns when everything is on the disk. */
    void force() throws IOException {
        try {
            flushed().join();
        } catch (CompletionException e) {
            // Reported once and then forgotten by some systems, so it has to be passed on.
            throw e.getCause() instanceof IOException failed ? failed : new IOException(e);
        }
        channel.force(true);
    }

    @Override
    public void close() throws IOException {
        flushed().exceptionally(error -> null).join();
        channel.close();
    }
}
