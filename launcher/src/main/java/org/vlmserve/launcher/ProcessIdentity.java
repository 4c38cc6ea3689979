package org.vlmserve.launcher;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * Tells a process from every other that had or will have its number: by what the system recorded when the process began. It
 * must be a record that nothing changes later, not even a clock that is set or a virtual machine that resumes.
 *
 * @param source the record that is noted of a process; one that was noted is compared by whichever it was noted by
 * @param proc where the proc file system is mounted, on systems that have one
 */
record ProcessIdentity(Source source, Path proc) {

    private static final Path PROC = Path.of("/proc");

    /** What the system recorded. */
    enum Source {
        /**
         * On Linux: the boot, and the start in ticks since that boot (field 22 of {@code /proc/PID/stat}, proc_pid_stat(5)). The
         * JDK adds these ticks to the time of the boot, which Linux computes anew from the clock whenever it is asked.
         */
        PROC,
        /**
         * On macOS and Windows: the time at which the process began, which their kernels write down once
         * ({@code p_starttime}, {@code GetProcessTimes}).
         */
        START_TIME;

        String wireName() {
            return name().toLowerCase(Locale.ROOT).replace('_', '-');
        }
    }

    static ProcessIdentity of(Source source) {
        return new ProcessIdentity(source, PROC);
    }

    /** By what this operating system records. */
    static ProcessIdentity ofSystem(String osName) {
        return of(osName.equals("Linux") ? Source.PROC : Source.START_TIME);
    }

    /**
     * The same text for as long as the process lives, and never the same for another one with that number.
     *
     * @return empty when there is no such process, or it has ended
     * @throws VlmException {@code START_FAILED} when there is no proc file system to look into
     */
    Optional<String> identify(long pid) {
        return identify(pid, source);
    }

    /** Whether the process with that number is the one that {@link #identify} said this of, here or in another command. */
    boolean is(String identity, long pid) {
        return Arrays.stream(Source.values())
                .filter(noted -> identity.startsWith(noted.wireName() + " "))
                .anyMatch(noted -> identify(pid, noted).filter(identity::equals).isPresent());
    }

    private Optional<String> identify(long pid, Source by) {
        Optional<String> record = switch (by) {
            case PROC -> bootAndTick(pid);
            case START_TIME -> startTime(pid);
        };
        return record.map(text -> by.wireName() + " " + text);
    }

    private static Optional<String> startTime(long pid) {
        return ProcessHandle.of(pid)
                .filter(ProcessHandle::isAlive)
                .flatMap(process -> process.info().startInstant())
                .map(Instant::toString);
    }

    private Optional<String> bootAndTick(long pid) {
        Path bootId = proc.resolve("sys/kernel/random/boot_id");
        String boot;
        try {
            boot = Files.readString(bootId).strip();
        } catch (IOException e) {
            throw new VlmException(
                    ErrorCode.START_FAILED,
                    "cannot read " + bootId
                            + "; expected the proc file system, by which processes are told apart, hint:"
                            + " mount it, or set VLM_PROCESS_IDENTITY=start-time where the clock is never set",
                    e);
        }
        String stat;
        try {
            stat = Files.readString(proc.resolve(Long.toString(pid)).resolve("stat"));
        } catch (IOException noSuchProcess) {
            return Optional.empty();
        }
        // The name stands in parentheses and may hold some itself, and blanks. Behind it comes field 3, the state.
        String[] fields = stat.substring(stat.lastIndexOf(')') + 1).strip().split(" ", -1);
        int start = 22 - 3;
        if (fields.length <= start || isOver(fields[0])) {
            return Optional.empty();
        }
        return Optional.of(boot + " " + fields[start]);
    }

    /** Whether it ended and nobody collected it: with no init process to do so, it stays in the table for ever. */
    private static boolean isOver(String state) {
        return state.equals("Z") || state.equals("X");
    }
}
