package org.vlmserve.launcher;

import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * A process that was started, as noted in {@code run/}.
 *
 * @param pid the process
 * @param identity what tells it from others with that number, see {@link ProcessIdentity}; empty if it ended at once
 * @param port where it serves: Kafka, or the gateway's HTTP; 0 for none
 * @param managementPort where it reports its health; for the broker, where its controller listens; 0 for none
 * @param command hash of program and command line: one that differs from what would be started now is out of date
 */
record RunningProgram(long pid, String identity, int port, int managementPort, String command) {

    private static final Duration IDENTITY_LIMIT = Duration.ofSeconds(5);
    private static final int POLL_MILLIS = 10;

    RunningProgram {
        Objects.requireNonNull(identity, "identity");
    }

    /** @throws VlmException {@code START_FAILED} when the system does not say what tells the process apart; it is ended */
    static RunningProgram of(Process process, ProcessIdentity identities, int port, int managementPort, String command)
            throws InterruptedException {
        boolean known = false;
        try {
            long deadline = System.nanoTime() + IDENTITY_LIMIT.toNanos();
            Optional<String> identity = identities.identify(process.pid());
            // One that ended has no identity a moment before the JVM has fetched its exit code.
            while (identity.isEmpty() && process.isAlive()) {
                if (System.nanoTime() - deadline > 0) {
                    throw new VlmException(
                            ErrorCode.START_FAILED,
                            "the system does not say when process " + process.pid()
                                    + " began; expected to tell it by that, hint: VLM_PROCESS_IDENTITY");
                }
                Thread.sleep(POLL_MILLIS);
                identity = identities.identify(process.pid());
            }
            known = true;
            return new RunningProgram(process.pid(), identity.orElse(""), port, managementPort, command);
        } finally {
            if (!known) {
                process.destroyForcibly();
            }
        }
    }

    /** This process, which serves nothing. */
    static RunningProgram self(ProcessIdentity identities) {
        long pid = ProcessHandle.current().pid();
        return new RunningProgram(pid, identities.identify(pid).orElse(""), 0, 0, "");
    }

    /**
     * The process, when it is still the one that was started. A handle signals only the process that it was made for, and it
     * is made before the identity is compared: what is checked is what is ended.
     */
    Optional<ProcessHandle> alive(ProcessIdentity identities) {
        return ProcessHandle.of(pid).filter(process -> identities.is(identity, pid));
    }
}
