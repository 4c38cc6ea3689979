package org.vlmserve.launcher;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * Ahead-of-time caches (JEP 483, 514, 515): what a JVM learnt about a program in a training run, so that the next start need
 * not load and link its classes again. One file a program, named after what it was made from. A cache that is missing or
 * does not fit costs time and nothing else: the JVM goes on without it.
 */
final class AotCaches {

    private static final long TRAINING_LIMIT_SECONDS = 180;

    private final Home home;
    private final Suite suite;
    private final boolean used;

    /** @param used whether programs start with caches at all */
    AotCaches(Home home, Suite suite, boolean used) {
        this.home = home;
        this.suite = suite;
        this.used = used;
    }

    /** These JVM options, and the cache when there is one. */
    List<String> options(Program program, List<String> others) throws IOException {
        List<String> options = new ArrayList<>(others);
        if (used && Files.exists(file(program))) {
            options.add("-XX:AOTCache=" + file(program));
        }
        return options;
    }

    /** The programs that would start faster after {@link #train}. */
    List<Program> missing() throws IOException {
        List<Program> missing = new ArrayList<>();
        for (Program program : Program.SERVERS) {
            if (used && !Files.exists(file(program))) {
                missing.add(program);
            }
        }
        return missing;
    }

    /**
     * Runs the program once, without serving anything, and keeps what the JVM learnt. Returns whether that worked.
     */
    boolean train(Program program) throws IOException, InterruptedException {
        Path target = file(program);
        Path draft = target.resolveSibling(target.getFileName() + ".new");
        LogFile log = new LogFile(home.log("aot-" + program.wireName()));
        Path scratch = Files.createTempDirectory(home.aot(), program.wireName());
        List<String> options = training(draft);
        options.add("-Dspring.context.exit=onRefresh");
        try {
            boolean trained = program == Program.BROKER
                    ? trainBroker(scratch, draft, log)
                    : run(
                            JavaCommand.of(
                                    suite,
                                    program,
                                    options,
                                    List.of(
                                            "--vlm.kafka.bootstrap-servers=127.0.0.1:9",
                                            "--server.address=127.0.0.1",
                                            "--server.port=0",
                                            "--management.server.address=127.0.0.1",
                                            "--management.server.port=0")),
                            log);
            if (!trained || !Files.exists(draft)) {
                return false;
            }
            removeOlder(program);
            Files.move(draft, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            return true;
        } finally {
            Files.deleteIfExists(draft);
            Directories.delete(scratch);
        }
    }

    /** What is kept is classes, not compiled code, so a short run without the second compiler learns as much. */
    private static List<String> training(Path draft) {
        List<String> options = new ArrayList<>(JavaCommand.SHORT_LIVED);
        options.add("-XX:AOTCacheOutput=" + draft);
        return options;
    }

    private boolean trainBroker(Path scratch, Path draft, LogFile log) throws IOException, InterruptedException {
        Ports ports = new Ports();
        int port = ports.choose(0);
        Path configuration = Broker.configure(scratch, port, ports.choose(0));
        if (!run(Broker.format(suite, JavaCommand.SHORT_LIVED, configuration), log)) {
            return false;
        }
        List<String> options = training(draft);
        options.addAll(Broker.JAVA_OPTIONS);
        Process process = JavaCommand.start(
                JavaCommand.of(suite, Program.BROKER, options, List.of(configuration.toString())), home, log);
        try {
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(TRAINING_LIMIT_SECONDS);
            while (process.isAlive() && !Ports.accepts(port)) {
                if (System.nanoTime() - deadline > 0) {
                    return false;
                }
                process.waitFor(100, TimeUnit.MILLISECONDS);
            }
            process.destroy();
            return process.waitFor(TRAINING_LIMIT_SECONDS, TimeUnit.SECONDS);
        } finally {
            end(process);
        }
    }

    private boolean run(List<String> command, LogFile log) throws IOException, InterruptedException {
        Process process = JavaCommand.start(command, home, log);
        try {
            return process.waitFor(TRAINING_LIMIT_SECONDS, TimeUnit.SECONDS) && process.exitValue() == 0;
        } finally {
            end(process);
        }
    }

    /** With the process that a JVM starts at its end to put the cache together. */
    private static void end(Process process) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
    }

    private void removeOlder(Program program) throws IOException {
        try (Stream<Path> files = Files.list(home.aot())) {
            for (Path file : files.toList()) {
                String name = file.getFileName().toString();
                if (name.startsWith(program.wireName() + "-") && name.endsWith(".aot")) {
                    Files.delete(file);
                }
            }
        }
    }

    /** A cache fits one build of the program on one build of the JVM. */
    private Path file(Program program) throws IOException {
        return home.aot()
                .resolve(program.wireName()
                        + "-"
                        + suite.fingerprint(program).substring(0, 12)
                        + "-"
                        + Runtime.version().toString().replaceAll("[^0-9A-Za-z.]", "_")
                        + ".aot");
    }
}
