package org.vlmserve.media.child;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.util.concurrent.SynchronousQueue;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** The child process: takes jobs from its standard input until that ends. */
public final class ChildMain {

    /** Deep enough for any decoder that does not recurse as a file says. */
    private static final long STACK_BYTES = 2 << 20;

    /** A heap that is worth shrinking. */
    private static final long LARGE_HEAP = 128 << 20;

    /** What is left after an error of the machine below: nobody can say in which state. */
    private static final int BROKEN = 70;

    private record Job(String kind, byte[] parameters, byte[] file) {}

    private ChildMain() {}

    public static void main(String[] args) throws InterruptedException {
        ChildOutput out = new ChildOutput(new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 16));
        // A library that prints must not speak into the pipe.
        System.setOut(System.err);
        SynchronousQueue<Job> jobs = new SynchronousQueue<>();
        Thread worker = new Thread(null, () -> work(jobs, out), "job", STACK_BYTES);
        worker.setDaemon(true);
        worker.start();
        // This thread reads on while a job runs, and so learns of the parent's end whatever the job does.
        try (DataInputStream in =
                new DataInputStream(new BufferedInputStream(new FileInputStream(FileDescriptor.in), 1 << 16))) {
            while (true) {
                jobs.put(new Job(in.readUTF(), bytes(in), bytes(in)));
            }
        } catch (EOFException e) {
            Runtime.getRuntime().halt(0);
        } catch (IOException e) {
            Runtime.getRuntime().halt(1);
        }
    }

    private static byte[] bytes(DataInputStream in) throws IOException {
        byte[] bytes = new byte[in.readInt()];
        in.readFully(bytes);
        return bytes;
    }

    private static void work(SynchronousQueue<Job> jobs, ChildOutput out) {
        try {
            out.message(Messages.READY);
            while (true) {
                Job job = jobs.take();
                out.message(Messages.ACCEPTED);
                run(job, out);
            }
        } catch (IOException | InterruptedException e) {
            // Nobody listens any more.
            Runtime.getRuntime().halt(1);
        }
    }

    /** Gives the memory of a large job back before its parent looks how much the process keeps. */
    @SuppressWarnings("SystemGc")
    private static void tidyUp() {
        if (Runtime.getRuntime().totalMemory() > LARGE_HEAP) {
            System.gc();
        }
    }

    private static void run(Job job, ChildOutput out) throws IOException {
        try {
            ChildJob kind = Class.forName(job.kind())
                    .asSubclass(ChildJob.class)
                    .getConstructor()
                    .newInstance();
            kind.run(new DataInputStream(new ByteArrayInputStream(job.parameters())), job.file(), out);
            tidyUp();
            out.message(Messages.END);
        } catch (VlmException e) {
            out.failed(e.code().number(), String.valueOf(e.getMessage()));
        } catch (ReflectiveOperationException | ClassCastException e) {
            out.failed(ErrorCode.INTERNAL.number(), "this program knows no job " + job.kind());
        } catch (RuntimeException e) {
            out.failed(
                    ErrorCode.PICTURE_UNREADABLE.number(),
                    "the file cannot be read: its decoder failed with "
                            + e.getClass().getSimpleName());
        } catch (StackOverflowError e) {
            out.failed(ErrorCode.PICTURE_TOO_COSTLY.number(), "the file cannot be read: it is nested too deeply");
            Runtime.getRuntime().halt(BROKEN);
        } catch (Error e) {
            // Running out of memory does not come here: it ends the process, see ChildProcess.
            out.failed(
                    ErrorCode.PICTURE_UNREADABLE.number(),
                    "the file cannot be read: its decoder failed with "
                            + e.getClass().getSimpleName());
            Runtime.getRuntime().halt(BROKEN);
        }
    }
}
