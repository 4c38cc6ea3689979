package org.vlmserve.media.child;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * The parent's end of a child. One thread at a time gives it a job; another watches it meanwhile. Neither trusts it: it may
 * be in the hands of a file.
 */
final class ChildProcess {

    /** Why a child was ended by its parent. */
    enum Reason {
        MEMORY,
        TIME,
        SILENCE,
        CANCELLED,
        CLOSED
    }

    /** HotSpot's exit status after {@code -XX:+ExitOnOutOfMemoryError}. */
    private static final int OUT_OF_MEMORY = 3;

    private static final Duration START = Duration.ofSeconds(60);
    private static final Path PROC = Path.of("/proc");

    private final Process process;
    private final DataInputStream in;
    private final DataOutputStream out;
    private final ChildPoolConfig config;
    private int jobs;
    private volatile @Nullable Reason ended;
    /** Of {@link System#nanoTime}; null while there is no job. */
    private volatile @Nullable Clocks clocks;

    private static final class Clocks {
        private final long end;
        private final long silence;
        private volatile long heard = System.nanoTime();

        Clocks(Duration limit, Duration silence) {
            end = System.nanoTime() + limit.toNanos();
            this.silence = silence.toNanos();
        }
    }

    /** The job's own failure; the child is ready for the next. */
    static final class JobFailed extends RuntimeException {
        private final VlmException failure;

        JobFailed(VlmException failure) {
            super(failure);
            this.failure = failure;
        }

        VlmException failure() {
            return failure;
        }
    }

    /** The child ended before it had the whole job, which therefore is not at fault. */
    static final class NotAccepted extends IOException {
        NotAccepted(@Nullable Throwable cause) {
            super("the child ended before it took the job", cause);
        }
    }

    private ChildProcess(Process process, ChildPoolConfig config) {
        this.process = process;
        this.config = config;
        in = new DataInputStream(new BufferedInputStream(process.getInputStream(), 1 << 16));
        out = new DataOutputStream(process.getOutputStream());
    }

    /** Starts one; it may still be starting when this returns, see {@link #awaitReady}. */
    static ChildProcess start(ChildPoolConfig config) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("-Xmx" + (config.heapBytes() >> 10) + "k");
        // By default it would follow from the machine's memory.
        command.add("-Xms32m");
        // All but a little of the heap takes arrays as large as itself.
        command.add("-XX:MaxNewSize=16m");
        command.add("-XX:+UseSerialGC");
        // A collection gives back what a large job made the heap grow to.
        command.add("-XX:MinHeapFreeRatio=10");
        command.add("-XX:MaxHeapFreeRatio=20");
        command.add("-XX:-ShrinkHeapInSteps");
        command.add("-XX:+ExitOnOutOfMemoryError");
        // The machine's own last words would otherwise go into the pipe of results.
        command.add("-XX:+DisplayVMOutputToStderr");
        command.add("-XX:-CreateCoredumpOnCrash");
        command.add("-XX:+SuppressFatalErrorMessage");
        command.add("-XX:-UsePerfData");
        command.add("-XX:+DisableAttachMechanism");
        command.add("-Djava.awt.headless=true");
        command.add("--enable-native-access=ALL-UNNAMED");
        // Where natives are unpacked, and what else an operator set for the libraries of decoders.
        System.getProperties().stringPropertyNames().stream()
                .filter(name -> name.startsWith("org.bytedeco.") || name.equals("java.io.tmpdir"))
                .sorted()
                .forEach(name -> command.add("-D" + name + "=" + System.getProperty(name)));
        command.add("-cp");
        command.add(System.getProperty("java.class.path"));
        command.add(ChildMain.class.getName());
        ProcessBuilder builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD);
        // What the service was given, such as passwords, is none of a file's business.
        builder.environment()
                .keySet()
                .retainAll(List.of("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "SystemRoot"));
        return new ChildProcess(builder.start(), config);
    }

    /** @throws IOException if it does not come up */
    void awaitReady() throws IOException {
        clocks = new Clocks(START, START);
        try {
            int first = in.read();
            if (first != Messages.READY) {
                throw new IOException("the child did not come up" + exit());
            }
        } finally {
            clocks = null;
        }
    }

    boolean alive() {
        return ended == null && process.isAlive();
    }

    int jobs() {
        return jobs;
    }

    long pid() {
        return process.pid();
    }

    /**
     * Runs one job.
     *
     * @param limit of its time
     * @param checkpoint asked at each sign of life; if it throws, the child has to be ended
     * @throws NotAccepted if the job should go to another child
     * @throws JobFailed for the job's own failure
     * @throws VlmException for what the job did to the child
     */
    <T> T run(
            Class<? extends ChildJob> kind,
            byte[] parameters,
            byte[] file,
            Duration limit,
            Runnable checkpoint,
            ChildPool.Result<T> result)
            throws NotAccepted {
        jobs++;
        Clocks running = new Clocks(limit, config.silence());
        clocks = running;
        try {
            accept(kind, parameters, file);
            running.heard = System.nanoTime();
            ResultStream stream = new ResultStream(running, checkpoint);
            T read = result.read(new DataInputStream(stream));
            stream.end();
            return read;
        } catch (NotAccepted e) {
            throw e;
        } catch (IOException e) {
            throw fate(e);
        } finally {
            clocks = null;
        }
    }

    private void accept(Class<? extends ChildJob> kind, byte[] parameters, byte[] file) throws NotAccepted {
        try {
            out.writeUTF(kind.getName());
            out.writeInt(parameters.length);
            out.write(parameters);
            out.writeInt(file.length);
            out.write(file);
            out.flush();
            if (in.readUnsignedByte() != Messages.ACCEPTED) {
                throw new IOException("the child answers out of turn");
            }
        } catch (IOException e) {
            kill(Reason.CLOSED);
            throw new NotAccepted(e);
        }
    }

    /** What became of a job whose child is gone. */
    private VlmException fate(IOException cause) {
        Reason reason = ended;
        if (reason == null && !(cause instanceof EOFException)) {
            // It says what it must not.
            process.destroyForcibly();
        }
        String exit = exit();
        if (reason == Reason.MEMORY || reason == null && exited() == OUT_OF_MEMORY) {
            return new VlmException(
                    ErrorCode.PICTURE_TOO_COSTLY,
                    "decoding the file takes more memory than the " + (config.heapBytes() >> 20) + " MiB of heap and "
                            + (config.residentBytes() >> 20) + " MiB in all that are given; send it smaller",
                    cause);
        }
        if (reason == Reason.TIME || reason == Reason.SILENCE) {
            return new VlmException(
                    ErrorCode.PICTURE_TOO_COSTLY,
                    "decoding the file takes more time than is given; send it smaller or shorter",
                    cause);
        }
        if (reason != null) {
            return new VlmException(ErrorCode.STAGE_UNAVAILABLE, "the stage shuts down; try again", cause);
        }
        kill(Reason.CLOSED);
        return new VlmException(
                ErrorCode.PICTURE_UNREADABLE, "the file cannot be read: its decoder broke down on it" + exit, cause);
    }

    /** Waits for the end of a process whose pipe is at its end. */
    private String exit() {
        return process.isAlive() && exited() < 0 ? "" : " (exit status " + process.exitValue() + ")";
    }

    private int exited() {
        try {
            return process.waitFor(5, TimeUnit.SECONDS) ? process.exitValue() : -1;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return -1;
        }
    }

    void kill(Reason reason) {
        if (ended == null) {
            ended = reason;
        }
        process.destroyForcibly();
    }

    @Nullable
    Reason ended() {
        return ended;
    }

    /** Looks after the child, from another thread than the job's. */
    void watch() {
        Clocks running = clocks;
        long now = System.nanoTime();
        if (running != null && now - running.end > 0) {
            kill(Reason.TIME);
        } else if (running != null && now - running.heard > running.silence) {
            kill(Reason.SILENCE);
        } else if (residentBytes() > config.residentBytes()) {
            kill(Reason.MEMORY);
        }
    }

    /** What the child has in memory, or 0 where the system does not say. */
    long residentBytes() {
        try {
            for (String line :
                    Files.readAllLines(PROC.resolve(Long.toString(pid())).resolve("status"))) {
                if (line.startsWith("VmRSS:")) {
                    return Long.parseLong(line.replaceAll("[^0-9]", "")) << 10;
                }
            }
        } catch (IOException | NumberFormatException e) {
            // It is gone, or this is no Linux.
            return 0;
        }
        return 0;
    }

    /** A job's result, taken out of the child's messages. */
    private final class ResultStream extends InputStream {

        private final Clocks running;
        private final Runnable checkpoint;
        private int left;
        private boolean done;

        ResultStream(Clocks running, Runnable checkpoint) {
            this.running = running;
            this.checkpoint = checkpoint;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] to, int offset, int length) throws IOException {
            if (length == 0) {
                return 0;
            }
            while (left == 0) {
                if (done) {
                    return -1;
                }
                next();
            }
            int count = in.read(to, offset, Math.min(length, left));
            if (count < 0) {
                throw new EOFException("the child ended within its result");
            }
            left -= count;
            running.heard = System.nanoTime();
            return count;
        }

        private void next() throws IOException {
            int kind = in.readUnsignedByte();
            running.heard = System.nanoTime();
            switch (kind) {
                case Messages.PROGRESS -> checkpoint.run();
                case Messages.END -> done = true;
                case Messages.DATA -> {
                    left = in.readInt();
                    if (left < 0 || left > Messages.MOST_DATA) {
                        throw new IOException("the child sends " + left + " bytes at once");
                    }
                }
                case Messages.FAILED -> {
                    int code = in.readInt();
                    int length = in.readInt();
                    if (length < 0 || length > Messages.LONGEST_TEXT) {
                        throw new IOException("the child's message has " + length + " bytes");
                    }
                    done = true;
                    throw new JobFailed(new VlmException(
                            ErrorCode.ofNumber(code), new String(in.readNBytes(length), StandardCharsets.UTF_8)));
                }
                default -> throw new IOException("the child sends a message " + kind);
            }
        }

        /** Reads what is left of the result, so that the next job begins in step. */
        void end() throws IOException {
            if (read() >= 0) {
                throw new IOException("the child sends more than its result");
            }
        }
    }
}
