package org.vlmserve.launcher;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Optional;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * Tells a process from every other that had or will have its number: by what the system recorded when the process began.
 * The record must be one that nothing changes later, not even a clock that is set or a virtual machine that resumes.
 */
interface ProcessIdentity {

    /**
     * The same text for as long as the process lives, and never the same for another one with that number.
     *
     * @return empty when there is no such process, or it has ended
     */
    Optional<String> of(long pid);

    /** What the operating system keeps: {@link Proc} on Linux, {@link StartTime} elsewhere. */
    static ProcessIdentity ofSystem(String osName) {
        return osName.equals("Linux") ? new Proc(Path.of("/proc")) : new StartTime();
    }

    /**
     * On Linux: the boot, and the start in ticks since that boot (field 22 of {@code /proc/PID/stat}, proc_pid_stat(5)). The JDK
     * adds these ticks to the time of the boot, which Linux computes anew from the clock whenever it is asked.
     *
     * @param proc where the proc file system is mounted
     */
    record Proc(Path proc) implements ProcessIdentity {

        /** Counted from the field behind the program's name, which is the third. */
        private static final int STATE = 0;

        private static final int START = 22 - 3;

        @Override
        public Optional<String> of(long pid) {
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
            // The name stands in parentheses and may hold some itself, and blanks.
            String[] fields = stat.substring(stat.lastIndexOf(')') + 1).strip().split(" ", -1);
            if (fields.length <= START || isOver(fields[STATE])) {
                return Optional.empty();
            }
            return Optional.of(boot + " " + fields[START]);
        }

        /** Whether it ended and nobody collected it: with no init process to do so, it stays in the table for ever. */
        private static boolean isOver(String state) {
            return state.equals("Z") || state.equals("X");
        }
    }

    /**
     * On macOS and Windows: the time at which the process began, which their kernels write down once ({@code p_starttime},
     * {@code GetProcessTimes}).
     */
    record StartTime() implements ProcessIdentity {
        @Override
        public Optional<String> of(long pid) {
            return ProcessHandle.of(pid)
                    .filter(ProcessHandle::isAlive)
                    .flatMap(process -> process.info().startInstant())
                    .map(Instant::toString);
        }
    }
}
