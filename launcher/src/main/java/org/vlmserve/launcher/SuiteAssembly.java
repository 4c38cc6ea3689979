package org.vlmserve.launcher;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The last step of the build. Puts the jars of all programs into one folder, each jar once, and writes for each program
 * {@code NAME.args}, an argument file for {@code java} with paths relative to the suite's directory, and
 * {@code NAME.sha256}, a hash of all that the program consists of. The programs run from jars and not from class folders
 * because AOT caches know jars only.
 *
 * <p>A jar whose content did not change is left alone, because AOT caches are checked against its modification time; one
 * that changed is replaced by a new file, because a running program may still have the old one mapped.
 */
final class SuiteAssembly {

    private static final List<String> JAVA_OPTIONS =
            List.of("--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow");

    private final Path root;
    private final Path suite;
    private final Map<String, Path> jars = new HashMap<>();

    SuiteAssembly(Path root, Path suite) {
        this.root = root;
        this.suite = suite;
    }

    /** Arguments: the repository's root, the suite's directory. */
    public static void main(String[] args) throws IOException, InterruptedException {
        new SuiteAssembly(Path.of(args[0]), Path.of(args[1])).assemble();
    }

    void assemble() throws IOException, InterruptedException {
        Path lib = Files.createDirectories(suite.resolve("lib"));
        List<Path> launcher = classPath(root.resolve("launcher"));
        for (Path jar : launcher) {
            place(jar, lib);
        }
        for (Program program : Program.values()) {
            List<Path> classPath = classPath(root.resolve(program.module()));
            for (Path jar : classPath) {
                place(jar, lib);
            }
            write(program, classPath);
        }
        try (Stream<Path> present = Files.list(lib)) {
            for (Path file : present.toList()) {
                if (!jars.containsKey(file.getFileName().toString())) {
                    Files.delete(file);
                }
            }
        }
        noteSources();
    }

    /** Lets bin/vlm see that a tree which Maven built need not be built again. */
    private void noteSources() throws IOException, InterruptedException {
        Path built = suite.resolve("built");
        Path script = root.resolve("launcher/src/main/sh/sources.sh");
        boolean noted = false;
        try {
            noted = new ProcessBuilder("sh", script.toString(), root.toString())
                            .redirectOutput(built.toFile())
                            .redirectError(ProcessBuilder.Redirect.INHERIT)
                            .start()
                            .waitFor()
                    == 0;
        } catch (IOException noShell) {
            // Nor can bin/vlm run here.
        } finally {
            if (!noted) {
                Files.deleteIfExists(built);
            }
        }
    }

    private static List<Path> classPath(Path module) throws IOException {
        List<Path> classPath = new ArrayList<>();
        Path target = module.resolve("target");
        try (Stream<Path> files = Files.list(target)) {
            files.filter(f -> f.getFileName().toString().matches(".*(?<!-tests|-sources|-javadoc)\\.jar"))
                    .forEach(classPath::add);
        }
        String dependencies = Files.readString(target.resolve("runtime.classpath"));
        for (String entry : dependencies.strip().split(File.pathSeparator, -1)) {
            if (!entry.isEmpty()) {
                classPath.add(Path.of(entry));
            }
        }
        return classPath;
    }

    private void place(Path jar, Path lib) throws IOException {
        String name = jar.getFileName().toString();
        Path earlier = jars.putIfAbsent(name, jar);
        if (earlier != null) {
            if (!earlier.equals(jar) && Files.mismatch(earlier, jar) >= 0) {
                throw new IOException("two different jars are named " + name + ": " + earlier + " and " + jar);
            }
            return;
        }
        Path target = lib.resolve(name);
        if (!Files.exists(target) || Files.mismatch(jar, target) >= 0) {
            Path copy = lib.resolve(name + ".new");
            Files.copy(jar, copy, StandardCopyOption.REPLACE_EXISTING);
            Files.move(copy, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private void write(Program program, List<Path> classPath) throws IOException {
        List<String> names =
                classPath.stream().map(jar -> "lib/" + jar.getFileName()).toList();
        List<String> arguments = new ArrayList<>(JAVA_OPTIONS);
        arguments.add("-cp");
        arguments.add(String.join(":", names));
        arguments.add(program.mainClass());

        MessageDigest digest = sha256();
        for (String argument : arguments) {
            digest.update(argument.getBytes(StandardCharsets.UTF_8));
        }
        byte[] buffer = new byte[1 << 16];
        for (Path jar : classPath) {
            try (InputStream in = Files.newInputStream(jar)) {
                for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                    digest.update(buffer, 0, read);
                }
            }
        }
        Files.write(suite.resolve(program.wireName() + ".args"), arguments);
        Files.writeString(
                suite.resolve(program.wireName() + ".sha256"), HexFormat.of().formatHex(digest.digest()) + "\n");
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every JDK has SHA-256", e);
        }
    }
}
