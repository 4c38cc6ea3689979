package org.vlmserve.launcher;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;

/** The repository's scripts in a tree of their own, on a system that has only the tools that a test gives it. */
final class Scripts {

    private static final Path REPOSITORY = Path.of(System.getProperty("vlm.root"));

    final Path root;
    /** Comes first on PATH. */
    final Path tools;

    private final Path directory;

    Scripts(Path directory, String... scripts) throws IOException {
        this.directory = directory;
        root = Files.createDirectories(directory.resolve("a tree"));
        tools = Files.createDirectories(directory.resolve("tools"));
        for (String script : scripts) {
            Path target = root.resolve(script);
            Files.createDirectories(target.getParent());
            Files.copy(REPOSITORY.resolve(script), target);
        }
    }

    void tool(String name, String text) throws IOException {
        executable(tools.resolve(name), text);
    }

    /** In the tree. */
    void program(String path, String text) throws IOException {
        Files.createDirectories(root.resolve(path).getParent());
        executable(root.resolve(path), text);
    }

    private static void executable(Path file, String text) throws IOException {
        Files.writeString(file, "#!/bin/sh\n" + text);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    /** The tools that every system has, and no java, mvn, flock or apt. */
    Path bareSystem() throws IOException {
        Path bare = Files.createDirectories(directory.resolve("bare"));
        for (String name : new String[] {
            "awk",
            "cat",
            "cksum",
            "cp",
            "dirname",
            "find",
            "grep",
            "head",
            "mkdir",
            "mktemp",
            "readlink",
            "rm",
            "sed",
            "sh",
            "sleep",
            "sort",
            "tee"
        }) {
            executable(bare.resolve(name), "PATH=/usr/bin:/bin exec " + name + " \"$@\"\n");
        }
        return bare;
    }

    /** What looks like a JDK, and cannot do anything. */
    Path jdk(String name, String version) throws IOException {
        Path jdk = directory.resolve(name);
        Files.createDirectories(jdk.resolve("bin"));
        Files.writeString(jdk.resolve("release"), "JAVA_VERSION=\"" + version + "\"\n");
        for (String program : new String[] {"java", "javac"}) {
            executable(jdk.resolve("bin").resolve(program), "");
        }
        return jdk;
    }

    record Outcome(int code, String out, String err) {}

    Process start(Path from, Map<String, String> environment, File out, File err, String... command)
            throws IOException {
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(from.toFile())
                .redirectOutput(out)
                .redirectError(err);
        builder.environment().clear();
        builder.environment().put("LC_ALL", "C.UTF-8");
        builder.environment().put("PATH", tools + ":/usr/bin:/bin");
        builder.environment().putAll(environment);
        return builder.start();
    }

    /** @param environment all of it but PATH and LC_ALL, which have defaults */
    Outcome run(Path from, Map<String, String> environment, String... command) throws Exception {
        Path out = Files.createTempFile(directory, "out", "");
        Path err = Files.createTempFile(directory, "err", "");
        int code = start(from, environment, out.toFile(), err.toFile(), command).waitFor();
        return new Outcome(
                code, Files.readString(out, StandardCharsets.UTF_8), Files.readString(err, StandardCharsets.UTF_8));
    }
}
