package org.vlmserve.launcher;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.vlmserve.launcher.CommandLine.UsageException;

/** A built tree of {@link FakeProgram}s, laid out like the repository. */
final class FakeSuite implements AutoCloseable {

    final Path home;
    final Path models;
    private final Path suite;
    private final Path directory;
    private final Map<String, String> variables;
    private final Environment environment;

    FakeSuite(Path directory) throws IOException, UsageException {
        this(directory, Map.of());
    }

    FakeSuite(Path directory, Map<String, String> changes) throws IOException, UsageException {
        this(directory, changes, System.getProperty("java.class.path"));
    }

    /**
     * @param changes to the variables with which commands run here
     * @param classPath of the fake programs
     */
    FakeSuite(Path directory, Map<String, String> changes, String classPath) throws IOException, UsageException {
        this.directory = directory;
        variables = new TreeMap<>(Map.of("VLM_AOT_CACHES", "false", "PATH", System.getenv("PATH")));
        variables.putAll(changes);
        environment = Environment.of(
                directory,
                directory,
                variables,
                variables.getOrDefault("VLM_TERMINAL", "false"),
                System.getProperty("os.name"),
                2);
        home = directory.resolve(".vlm");
        models = Files.createDirectories(directory.resolve("models"));
        suite = Files.createDirectories(directory.resolve("launcher/target/suite"));
        for (Program program : Program.values()) {
            Files.write(
                    suite.resolve(program.wireName() + ".args"),
                    List.of(
                            "-XX:TieredStopAtLevel=1",
                            "-cp",
                            classPath,
                            program == Program.BROKER ? program.mainClass() : FakeProgram.class.getName(),
                            program.wireName()));
            rebuild(program, "0123456789abcdef");
        }
        // A fake broker has no storage to format.
        Path data = Files.createDirectories(home.resolve("kafka/data"));
        Files.writeString(data.resolve("meta.properties"), "");
    }

    void rebuild(Program program, String fingerprint) throws IOException {
        Files.writeString(suite.resolve(program.wireName() + ".sha256"), fingerprint);
    }

    Path checkpoint(String name) throws IOException {
        Path checkpoint = Files.createDirectories(models.resolve(name));
        Files.writeString(checkpoint.resolve("config.json"), "{}");
        return checkpoint;
    }

    Path bundle(String name) throws IOException {
        Path bundle = Files.createDirectories(directory.resolve("bundle of " + name));
        Files.writeString(bundle.resolve("bundle.json"), "{}");
        return bundle;
    }

    /** What a command printed and how it ended. */
    record Outcome(int code, String out, String err) {}

    Outcome vlm(String... arguments) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Vlm vlm = new Vlm(
                environment,
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8));
        int code = vlm.run(arguments);
        return new Outcome(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    /** The same command as a process of its own, as bin/vlm starts it. */
    Process vlmProcess(String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Dvlm.root=" + directory,
                "-cp",
                System.getProperty("java.class.path"),
                Vlm.class.getName()));
        command.addAll(List.of(arguments));
        ProcessBuilder builder =
                new ProcessBuilder(command).directory(directory.toFile()).redirectErrorStream(true);
        builder.environment().putAll(variables);
        return builder.start();
    }

    Optional<RunningProgram> running(Program program) throws IOException {
        return new Home(home).read(program.wireName(), RunningProgram.class).filter(this::isAlive);
    }

    String identity(long pid) {
        return environment.identities().identify(pid).orElseThrow();
    }

    boolean isAlive(RunningProgram process) {
        return process.alive(environment.identities()).isPresent();
    }

    ProcessHandle process(Program program) throws IOException {
        return running(program).orElseThrow().alive(environment.identities()).orElseThrow();
    }

    long pid(Program program) throws IOException {
        return running(program).orElseThrow().pid();
    }

    @Override
    public void close() {
        vlm("down");
    }
}
