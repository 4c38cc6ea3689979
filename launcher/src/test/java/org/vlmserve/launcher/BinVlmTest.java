package org.vlmserve.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.Map;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code bin/vlm} in a tree of its own, with a {@code mvn} and a launcher that say how they were called. */
class BinVlmTest {

    @TempDir
    Path directory;

    private Path root;
    private Path tools;
    private Path script;

    @BeforeEach
    void prepare() throws IOException {
        root = Files.createDirectories(directory.resolve("a tree"));
        tools = Files.createDirectories(directory.resolve("tools"));
        script = Files.createDirectories(root.resolve("bin")).resolve("vlm");
        Files.createDirectories(root.resolve("launcher/src/main"));
        Files.writeString(root.resolve("pom.xml"), "<project/>");
        install(Files.readString(Path.of(System.getProperty("vlm.root"), "bin", "vlm")));
        launcherJar(tools.resolve("launcher.jar"));
        tool(
                "mvn",
                "echo \"[INFO] Building launcher 0.1.0  [1/1]\"\necho \"$JAVA_HOME: $*\" >>\"" + tools
                        + "/calls\"\nmkdir -p launcher/target/suite/lib\ncp \"" + tools
                        + "/launcher.jar\" launcher/target/suite/lib/launcher-0.1.0.jar\n");
    }

    private void install(String text) throws IOException {
        Files.writeString(script, text);
        Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private void tool(String name, String text) throws IOException {
        Path file = tools.resolve(name);
        Files.writeString(file, "#!/bin/sh\n" + text);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    /** Says how it was called. */
    static final class EchoLauncher {
        private EchoLauncher() {}

        public static void main(String[] arguments) {
            System.out.println("root " + System.getProperty("vlm.root"));
            System.out.println("home " + System.getProperty("vlm.home"));
            System.out.println("directory " + Path.of("").toAbsolutePath());
            for (String argument : arguments) {
                System.out.println("argument " + argument);
            }
            System.exit(arguments.length);
        }
    }

    private static void launcherJar(Path jar) throws IOException {
        Manifest manifest = new Manifest();
        manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
        manifest.getMainAttributes().put(Attributes.Name.MAIN_CLASS, EchoLauncher.class.getName());
        String entry = EchoLauncher.class.getName().replace('.', '/') + ".class";
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar), manifest);
                var in = BinVlmTest.class.getClassLoader().getResourceAsStream(entry)) {
            assertThat(in).isNotNull();
            out.putNextEntry(new JarEntry(entry));
            in.transferTo((OutputStream) out);
        }
    }

    private record Outcome(int code, String out, String err) {}

    private Outcome run(Path from, Map<String, String> environment, String... command) throws Exception {
        Path out = directory.resolve("out");
        Path err = directory.resolve("err");
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(from.toFile())
                .redirectOutput(out.toFile())
                .redirectError(err.toFile());
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        builder.environment().put("PATH", tools + ":/usr/bin:/bin");
        builder.environment().remove("VLM_HOME");
        builder.environment().putAll(environment);
        int code = builder.start().waitFor();
        return new Outcome(
                code, Files.readString(out, StandardCharsets.UTF_8), Files.readString(err, StandardCharsets.UTF_8));
    }

    @Test
    void buildsOnceAndRunsFromAnywhereThroughALink() throws Exception {
        Path elsewhere = Files.createDirectories(directory.resolve("some where"));
        Path link = Files.createSymbolicLink(elsewhere.resolve("vlm link"), Path.of("../a tree/bin/vlm"));
        Outcome first = run(elsewhere, Map.of(), link.toString(), "ask", "a picture.png", "What's \"it\"?");
        assertThat(first.out())
                .as(first.err())
                .isEqualTo("root " + root + "\nhome null\ndirectory " + elsewhere
                        + "\nargument ask\nargument a picture.png\nargument What's \"it\"?\n");
        assertThat(first.err()).contains("building").contains("[1/1] launcher").contains("argument prepare-caches\n");
        assertThat(first.code()).as("the launcher's").isEqualTo(3);
        assertThat(tools.resolve("calls"))
                .hasContent(System.getProperty("java.home")
                        + ": -B -Dstyle.color=never -pl launcher -am -DskipTests package");

        Outcome second = run(root, Map.of("VLM_HOME", "/a b"), "bin/vlm", "down");
        assertThat(second.out()).contains("home /a b\n").contains("argument down\n");
        assertThat(second.err()).isEmpty();
    }

    @Test
    void buildsAgainWhenASourceIsNewer() throws Exception {
        run(root, Map.of(), "bin/vlm");
        Path source = Files.writeString(root.resolve("launcher/src/main/A.java"), "");
        Files.setLastModifiedTime(source, FileTime.from(Instant.now().plusSeconds(5)));
        assertThat(run(root, Map.of(), "bin/vlm").err()).contains("building");
        Files.delete(source);
        Files.setLastModifiedTime(
                root.resolve("launcher/src/main"), FileTime.from(Instant.now().minusSeconds(60)));
        assertThat(run(root, Map.of(), "bin/vlm").err()).isEmpty();
        assertThat(Files.readAllLines(tools.resolve("calls"))).hasSize(2);
    }

    @Test
    void aFailedBuildIsNoBuild() throws Exception {
        tool("mvn", "echo '[ERROR] A.java:[1,1] no such thing'\nexit 1\n");
        Outcome outcome = run(root, Map.of(), "bin/vlm", "up");
        assertThat(outcome.code()).isEqualTo(1);
        assertThat(outcome.err())
                .contains("[ERROR] A.java:[1,1] no such thing")
                .contains("error [build_failed] mvn package failed");
        assertThat(root.resolve("launcher/target/suite/built")).doesNotExist();
    }

    @Test
    void saysWhichJdksItFoundInsteadOfTheOneItNeeds() throws Exception {
        install(Files.readString(script).replaceAll("/usr/lib/jvm|/opt|/Library", directory.toString() + "/nowhere"));
        Path old = directory.resolve("jdk-17");
        Files.createDirectories(old.resolve("bin"));
        Files.writeString(old.resolve("release"), "JAVA_VERSION=\"17.0.2\"\n");
        for (String name : new String[] {"java", "javac"}) {
            Files.writeString(old.resolve("bin").resolve(name), "#!/bin/sh\n");
            Files.setPosixFilePermissions(
                    old.resolve("bin").resolve(name), PosixFilePermissions.fromString("rwxr-xr-x"));
        }
        Outcome outcome = run(
                root,
                Map.of(
                        "JAVA_HOME",
                        old.toString(),
                        "HOME",
                        directory.toString(),
                        "PATH",
                        tools + ":" + old + "/bin:" + basics()),
                "/bin/sh",
                "bin/vlm",
                "up");
        assertThat(outcome.code()).isEqualTo(1);
        assertThat(outcome.err())
                .startsWith("error [no_jdk] no JDK 25; found: " + old + " (version 17)")
                .contains("hint: install one");

        Outcome none = run(
                root,
                Map.of("JAVA_HOME", "", "HOME", directory.toString(), "PATH", basics().toString()),
                "/bin/sh",
                "bin/vlm",
                "up");
        assertThat(none.err()).startsWith("error [no_jdk] no JDK 25; found: none; expected one in JAVA_HOME");
    }

    /** The tools of a bare system, without its java. */
    private Path basics() throws IOException {
        Path basics = Files.createDirectories(directory.resolve("basics"));
        for (String name : new String[] {"readlink", "dirname", "sed", "find", "head"}) {
            Path tool = basics.resolve(name);
            Files.writeString(tool, "#!/bin/sh\nPATH=/usr/bin:/bin exec " + name + " \"$@\"\n");
            Files.setPosixFilePermissions(tool, PosixFilePermissions.fromString("rwxr-xr-x"));
        }
        return basics;
    }
}
