package org.vlmserve.system;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.Closeable;
import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The README tells the truth: each line that starts with {@code $} in a {@code console} block is run, in order, and prints
 * what stands below it. There, {@code …} stands for anything. What would run this very build again is left out, and the port,
 * which may be anyone's on this machine, is another one: the README's is held by this test where it is free.
 */
final class ReadmeTest {

    private static final Path ROOT = Path.of(System.getProperty("vlm.root"));
    private static final List<String> THE_BUILD_ITSELF = List.of("mvn verify");
    private static final int LIMIT_SECONDS = 240;
    private static final int README_PORT = 8080;

    private record Command(String line, String expected) {}

    @TempDir
    private Path home;

    private final String port = Integer.toString(ServiceProcess.freePort());

    @Test
    void each_command_prints_what_the_readme_says() throws Exception {
        try (Closeable taken = occupied()) {
            runAll();
        }
    }

    private static Closeable occupied() {
        try {
            return new ServerSocket(README_PORT, 1, InetAddress.getLoopbackAddress());
        } catch (IOException alreadyTaken) {
            return () -> {};
        }
    }

    private void runAll() throws Exception {
        List<Command> commands = commands(Files.readAllLines(ROOT.resolve("README.md")));
        assertThat(commands).extracting(Command::line).containsAll(THE_BUILD_ITSELF);
        try {
            for (Command command : commands) {
                if (!THE_BUILD_ITSELF.contains(command.line())) {
                    run(command);
                }
            }
        } finally {
            run(new Command("bin/vlm down", ""));
        }
    }

    private void run(Command command) throws IOException, InterruptedException {
        File errors = home.resolve("stderr.txt").toFile();
        String line = command.line().replace("localhost:" + README_PORT, "localhost:" + port);
        ProcessBuilder builder = new ProcessBuilder("bash", "-c", line)
                .directory(ROOT.toFile())
                .redirectInput(new File("/dev/null"))
                .redirectError(errors);
        builder.environment().put("VLM_HOME", home.resolve("vlm").toString());
        builder.environment().put("VLM_PORT", port);
        builder.environment().put("no_proxy", "localhost");
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        String context = line + "\n" + Files.readString(errors.toPath());
        assertThat(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)).as(context).isTrue();
        assertThat(process.exitValue()).as(context).isZero();
        if (!command.expected().isBlank()) {
            assertThat(output).as(context).matches(pattern(command.expected()));
        }
    }

    private static Pattern pattern(String expected) {
        String regex = Pattern.compile("…")
                .splitAsStream(expected.strip() + "\0")
                .map(Pattern::quote)
                .collect(Collectors.joining(".*"))
                .replace("\0", "");
        return Pattern.compile(regex, Pattern.DOTALL);
    }

    private static List<Command> commands(List<String> lines) {
        List<Command> commands = new ArrayList<>();
        StringBuilder output = new StringBuilder();
        String current = "";
        boolean inside = false;
        for (String line : lines) {
            boolean fence = line.startsWith("```");
            if (fence || (inside && line.startsWith("$ "))) {
                if (!current.isEmpty()) {
                    commands.add(new Command(current, output.toString()));
                }
                current = inside && !fence ? line.substring(2) : "";
                output.setLength(0);
            } else if (inside && current.endsWith("\\")) {
                current = current.substring(0, current.length() - 1) + line.strip();
            } else if (inside) {
                output.append(line).append('\n');
            }
            if (fence) {
                inside = line.equals("```console");
            }
        }
        return commands;
    }
}
