package org.vlmserve.launcher;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Starts programs on the JVM that runs the launcher. */
final class JavaCommand {

    private static final String JAVA =
            Path.of(System.getProperty("java.home"), "bin", "java").toString();

    private JavaCommand() {}

    static List<String> of(Suite suite, Program program, List<String> options, List<String> arguments) {
        List<String> command = new ArrayList<>();
        command.add(JAVA);
        command.add("-Xmx" + program.maxHeap());
        command.add("-XX:+UseSerialGC");
        command.addAll(options);
        command.addAll(suite.arguments(program));
        command.addAll(arguments);
        return command;
    }

    /** The launcher itself, in the way that this process was started. */
    static List<String> launcher(List<String> properties, String argument) {
        List<String> command = new ArrayList<>();
        command.add(JAVA);
        command.addAll(properties);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Vlm.class.getName(), argument));
        return command;
    }

    /** Runs in a session of its own, so that neither Ctrl-C nor the end of the terminal reaches it. */
    static Process startDetached(List<String> command, Home home, LogFile log) throws IOException {
        List<String> detached = new ArrayList<>();
        for (String wrapper : List.of("/usr/bin/setsid", "/usr/bin/nohup")) {
            if (detached.isEmpty() && Files.isExecutable(Path.of(wrapper))) {
                detached.add(wrapper);
            }
        }
        detached.addAll(command);
        return start(detached, home, log);
    }

    static Process start(List<String> command, Home home, LogFile log) throws IOException {
        log.rotate();
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(home.directory().toFile())
                .redirectInput(new File("/dev/null"))
                .redirectErrorStream(true)
                .redirectOutput(log.path().toFile());
        // The tokenizer library would otherwise look for newer natives and count its uses.
        builder.environment().put("DJL_OFFLINE", "true");
        builder.environment().put("OPT_OUT_TRACKING", "true");
        return builder.start();
    }
}
