package org.vlmserve.launcher;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** A built tree of {@link FakeProgram}s, laid out like the repository. */
final class FakeSuite implements AutoCloseable {

    final Path home;
    final Path models;
    private final Path suite;
    private final Path directory;

    FakeSuite(Path directory) throws IOException {
        this.directory = directory;
        home = directory.resolve(".vlm");
        models = Files.createDirectories(directory.resolve("models"));
        suite = Files.createDirectories(directory.resolve("launcher/target/suite"));
        for (Program program : Program.values()) {
            Files.write(
                    suite.resolve(program.wireName() + ".args"),
                    List.of(
                            "-XX:TieredStopAtLevel=1",
                            "-cp",
                            System.getProperty("java.class.path"),
                            FakeProgram.class.getName(),
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
                new Vlm.Environment(directory, home, suite, models, directory, false, false),
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
                "-Dvlm.caches=false",
                "-cp",
                System.getProperty("java.class.path"),
                Vlm.class.getName()));
        command.addAll(List.of(arguments));
        return new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .start();
    }

    Optional<RunningProgram> running(Program program) throws IOException {
        return new Home(home)
                .read(program.wireName(), RunningProgram.class)
                .filter(process -> process.alive().isPresent());
    }

    long pid(Program program) throws IOException {
        return running(program).orElseThrow().pid();
    }

    @Override
    public void close() {
        vlm("down");
    }
}
