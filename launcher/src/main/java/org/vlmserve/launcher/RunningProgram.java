package org.vlmserve.launcher;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Optional;

/**
 * A process that was started, as noted in {@code run/}.
 *
 * @param pid the process
 * @param startedAt when the system says that it started, in milliseconds since 1970: a process that got the same number
 *     later started later
 * @param port where it serves: Kafka, or the gateway's HTTP; 0 for none
 * @param managementPort where it reports its health; for the broker, where its controller listens; 0 for none
 * @param command hash of program and command line: one that differs from what would be started now is out of date
 */
record RunningProgram(long pid, long startedAt, int port, int managementPort, String command) {

    /** The system's start times are in ticks and, on some systems, relative to a clock that is adjusted. */
    private static final long START_TOLERANCE_MILLIS = 3_000;

    static RunningProgram of(Process process, int port, int managementPort, String command) {
        return new RunningProgram(process.pid(), startOf(process.toHandle()), port, managementPort, command);
    }

    static long startOf(ProcessHandle process) {
        return process.info().startInstant().map(Instant::toEpochMilli).orElse(0L);
    }

    /** The process, when it is still the one that was started. */
    Optional<ProcessHandle> alive() {
        return ProcessHandle.of(pid)
                .filter(ProcessHandle::isAlive)
                .filter(process -> !isZombie(pid))
                .filter(this::startedThen);
    }

    /** The system cannot always say when a process started, least of all when it has only just begun. */
    private boolean startedThen(ProcessHandle process) {
        long start = startOf(process);
        return start == 0 || startedAt == 0 || Math.abs(start - startedAt) <= START_TOLERANCE_MILLIS;
    }

    /** Whether it ended and nobody collected it: with no init process to do so, it stays in the table for ever. */
    private static boolean isZombie(long pid) {
        try {
            String stat = Files.readString(Path.of("/proc", Long.toString(pid), "stat"));
            int state = stat.lastIndexOf(')') + 2;
            return state < stat.length() && (stat.charAt(state) == 'Z' || stat.charAt(state) == 'X');
        } catch (IOException noProcFileSystem) {
            return false;
        }
    }
}
