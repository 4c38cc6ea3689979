package org.vlmserve.launcher;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Starts programs on the JVM that runs the launcher. */
final class JavaCommand {

    private static final String JAVA =
            Path.of(System.getProperty("java.home"), "bin", "java").toString();

    /**
     * For what runs for seconds. The second compiler makes long runs fast; before that it costs as much processor time as the
     * rest of a start.
     */
    static final List<String> SHORT_LIVED = List.of("-XX:TieredStopAtLevel=1");

    /** Of a launcher that runs one command which reads no pictures. */
    private static final String LAUNCHER_HEAP = "256m";

    private JavaCommand() {}

    static List<String> of(Suite suite, Program program, List<String> options, List<String> arguments) {
        List<String> command = new ArrayList<>();
        command.add(JAVA);
        command.add("-Xmx" + program.maxHeap());
        command.add("-XX:+UseSerialGC");
        // Who has run out of memory answers for nothing any more; the supervisor starts another.
        command.add("-XX:+ExitOnOutOfMemoryError");
        command.addAll(options);
        command.addAll(suite.arguments(program));
        command.addAll(arguments);
        return command;
    }

    /** The launcher itself. */
    static List<String> launcher(Path root, String argument) {
        return List.of(
                JAVA,
                "-Xmx" + LAUNCHER_HEAP,
                "-XX:+UseSerialGC",
                "-Dvlm.root=" + root,
                "-cp",
                System.getProperty("java.class.path"),
                Vlm.class.getName(),
                argument);
    }

    static Process start(List<String> command, Home home, LogFile log) throws IOException {
        return start(List.of(), command, Map.of(), home, log);
    }

    /**
     * @param wrapper of {@link Wrappers}
     * @param variables besides those of this process
     */
    static Process start(
            List<String> wrapper, List<String> command, Map<String, String> variables, Home home, LogFile log)
            throws IOException {
        log.rotate();
        List<String> words = new ArrayList<>(wrapper);
        words.addAll(shortened(command, home.run().resolve(log.name() + ".args")));
        ProcessBuilder builder = builder(words)
                .directory(home.directory().toFile())
                .redirectErrorStream(true)
                .redirectOutput(log.path().toFile());
        builder.environment().putAll(variables);
        Process process = builder.start();
        // There is nothing to read.
        process.getOutputStream().close();
        return process;
    }

    /** Runs with the terminal of this process, in the directory of this process. */
    static int runHere(List<String> command, Home home) throws IOException, InterruptedException {
        Path arguments = home.run().resolve("here-" + ProcessHandle.current().pid() + ".args");
        Process process = builder(shortened(command, arguments)).inheritIO().start();
        try {
            return process.waitFor();
        } finally {
            process.destroy();
            Files.deleteIfExists(arguments);
        }
    }

    private static ProcessBuilder builder(List<String> words) {
        ProcessBuilder builder = new ProcessBuilder(words);
        // The tokenizer library would otherwise look for newer natives and count its uses.
        builder.environment().put("DJL_OFFLINE", "true");
        builder.environment().put("OPT_OUT_TRACKING", "true");
        return builder;
    }

    /**
     * The same command with everything after {@code java} in an argument file. ONNX Runtime 1.29 matches a regular expression
     * against the command line of its process, recursively: with a class path of 9,000 characters in it, loading a model
     * overflows the stack and the process is gone without a word.
     */
    private static List<String> shortened(List<String> command, Path file) throws IOException {
        Files.write(
                file,
                command.stream()
                        .skip(1)
                        .map(word -> "\"" + word.replace("\\", "\\\\").replace("\"", "\\\"") + "\"")
                        .toList());
        return List.of(command.getFirst(), "@" + file);
    }
}
