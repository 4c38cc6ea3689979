package org.vlmserve.media.child;

import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** A job's result on its way to the parent. Confined to the job's thread. */
public final class ChildOutput extends OutputStream {

    /** More signs of life would only cost. */
    private static final long PROGRESS_NANOS = 50_000_000;

    private final DataOutputStream out;
    private long lastSign;

    ChildOutput(OutputStream out) {
        this.out = new DataOutputStream(out);
    }

    /** Tells the parent that the job gets on; a job that says nothing for too long is ended. */
    public void progress() throws IOException {
        long now = System.nanoTime();
        if (now - lastSign > PROGRESS_NANOS) {
            lastSign = now;
            message(Messages.PROGRESS);
        }
    }

    /** {@link #progress} for what knows no {@link IOException}. */
    public Runnable checkpoint() {
        return () -> {
            try {
                progress();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        };
    }

    @Override
    public void write(int one) throws IOException {
        write(new byte[] {(byte) one}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
        for (int at = offset; at < offset + length; at += Messages.MOST_DATA) {
            int part = Math.min(offset + length - at, Messages.MOST_DATA);
            out.writeByte(Messages.DATA);
            out.writeInt(part);
            out.write(bytes, at, part);
        }
        lastSign = System.nanoTime();
    }

    @Override
    public void flush() throws IOException {
        out.flush();
    }

    void message(int kind) throws IOException {
        out.writeByte(kind);
        out.flush();
    }

    void failed(int code, String text) throws IOException {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        byte[] cut = utf8.length <= Messages.LONGEST_TEXT ? utf8 : Arrays.copyOf(utf8, Messages.LONGEST_TEXT);
        out.writeByte(Messages.FAILED);
        out.writeInt(code);
        out.writeInt(cut.length);
        out.write(cut);
        out.flush();
    }
}
