package org.vlmserve.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vlmserve.launcher.Scripts.Outcome;

/** {@code bin/vlm} in a tree of its own, with a {@code mvn} and a launcher that say how they were called. */
class BinVlmTest {

    @TempDir
    Path directory;

    private Scripts scripts;
    private Path root;
    private Path tools;

    @BeforeEach
    void prepare() throws IOException {
        scripts = new Scripts(directory, "bin/vlm", "launcher/src/main/sh/tools.sh", "launcher/src/main/sh/sources.sh");
        root = scripts.root;
        tools = scripts.tools;
        Files.writeString(root.resolve("pom.xml"), "<project/>");
        launcherJar(tools.resolve("launcher.jar"));
        maven("");
    }

    /** One that puts a launcher where a build would, after some more. */
    private void maven(String more) throws IOException {
        scripts.tool(
                "mvn",
                more + "echo \"[INFO] Building launcher 0.1.0  [1/1]\"\necho \"$JAVA_HOME: $*\" >>\"" + tools
                        + "/calls\"\nmkdir -p launcher/target/suite/lib\ncp \"" + tools
                        + "/launcher.jar\" launcher/target/suite/lib/launcher-0.1.0.jar\n");
    }

    /** Says how it was called. */
    static final class EchoLauncher {
        private EchoLauncher() {}

        public static void main(String[] arguments) {
            System.out.println("root " + System.getProperty("vlm.root"));
            System.out.println("home " + System.getenv("VLM_HOME"));
            System.out.println("terminal " + System.getProperty("vlm.terminal"));
            System.out.println("heap " + Runtime.getRuntime().maxMemory() / 1_000_000_000.0);
            System.out.println("directory " + Path.of("").toAbsolutePath());
            for (String argument : arguments) {
                System.out.println("argument " + argument);
            }
            if (arguments.length > 0) {
                System.out.println("exists " + Files.exists(Path.of(arguments[0])));
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

    private Outcome run(Path from, Map<String, String> environment, String... command) throws Exception {
        Map<String, String> all = new HashMap<>(environment);
        all.putIfAbsent("JAVA_HOME", System.getProperty("java.home"));
        return scripts.run(from, all, command);
    }

    @Test
    void buildsOnceAndRunsFromAnywhereThroughALink() throws Exception {
        Path elsewhere = Files.createDirectories(directory.resolve("some where"));
        Path link = Files.createSymbolicLink(elsewhere.resolve("vlm link"), Path.of("../a tree/bin/vlm"));
        Outcome first = run(elsewhere, Map.of(), link.toString(), "ask", "a picture.png", "What's \"it\"?");
        assertThat(first.out())
                .as(first.err())
                .matches(Pattern.quote("root " + root + "\nhome null\nterminal false\n")
                        + "heap (0\\.9|1\\.0).*\n"
                        + Pattern.quote("directory " + elsewhere
                                + "\nargument ask\nargument a picture.png\nargument What's \"it\"?\nexists false\n"));
        assertThat(first.err()).contains("building").contains("[1/1] launcher").contains("argument prepare-caches\n");
        assertThat(first.code()).as("the launcher's").isEqualTo(3);
        assertThat(tools.resolve("calls"))
                .hasContent(System.getProperty("java.home")
                        + ": -B -Dstyle.color=never -pl launcher -am -DskipTests package");

        Outcome second = run(root, Map.of("VLM_HOME", "/a b"), "bin/vlm", "down");
        assertThat(second.out()).contains("home /a b\n").contains("argument down\n");
        assertThat(second.err()).isEmpty();
    }

    /** Whatever the clock said when it was changed. */
    @Test
    void buildsAgainWhenASourceIsAnother() throws Exception {
        run(root, Map.of(), "bin/vlm");
        Path source = root.resolve("launcher/src/main/A file.java");
        FileTime before = FileTime.from(Instant.now().minusSeconds(86_400));
        for (String text : new String[] {"a", "b"}) {
            Files.writeString(source, text);
            Files.setLastModifiedTime(source, before);
            assertThat(run(root, Map.of(), "bin/vlm").err()).contains("building");
            assertThat(run(root, Map.of(), "bin/vlm").err()).isEmpty();
        }
        Files.setLastModifiedTime(source, FileTime.from(Instant.now().plusSeconds(86_400)));
        assertThat(run(root, Map.of(), "bin/vlm").err())
                .as("only its time is another")
                .isEmpty();
        Files.move(source, root.resolve("launcher/src/main/B.java"));
        assertThat(run(root, Map.of(), "bin/vlm").err()).contains("building");
        Files.delete(root.resolve("launcher/src/main/B.java"));
        assertThat(run(root, Map.of(), "bin/vlm").err()).contains("building");
        assertThat(Files.readAllLines(tools.resolve("calls"))).hasSize(5);
    }

    @Test
    void whatIsChangedWhileItIsBuiltIsBuiltNextTime() throws Exception {
        maven("echo late >launcher/src/main/Late.java\n");
        assertThat(run(root, Map.of(), "bin/vlm").err()).contains("building");
        maven("");
        assertThat(run(root, Map.of(), "bin/vlm").err()).contains("building");
        assertThat(run(root, Map.of(), "bin/vlm").err()).isEmpty();
    }

    @Test
    void aTreeThatMavenBuiltIsNotBuiltAgain() throws Exception {
        for (Program program : Program.values()) {
            Path module = root.resolve(program.module());
            Files.createDirectories(module.resolve("target"));
            Files.writeString(module.resolve("target/runtime.classpath"), "");
        }
        Path target = Files.createDirectories(root.resolve("launcher/target"));
        Files.writeString(target.resolve("runtime.classpath"), "");
        Files.copy(tools.resolve("launcher.jar"), target.resolve("launcher-0.1.0.jar"));
        new SuiteAssembly(root, target.resolve("suite")).assemble();
        assertThat(run(root, Map.of(), "bin/vlm", "down").err()).isEmpty();
        Files.writeString(root.resolve("pom.xml"), "<project></project>");
        assertThat(run(root, Map.of(), "bin/vlm", "down").err()).contains("building");
    }

    @Test
    void aFailedBuildIsNoBuild() throws Exception {
        scripts.tool("mvn", "echo '[ERROR] A.java:[1,1] no such thing'\nexit 1\n");
        Outcome outcome = run(root, Map.of(), "bin/vlm", "up");
        assertThat(outcome.code()).isEqualTo(1);
        assertThat(outcome.err())
                .contains("[ERROR] A.java:[1,1] no such thing")
                .contains("error [build_failed] mvn package failed");
        assertThat(root.resolve("launcher/target/suite/built")).doesNotExist();
    }

    @ParameterizedTest
    @ValueSource(strings = {"auto", "flock", "directory"})
    void ofTwoAtOnceOneBuilds(String lock) throws Exception {
        maven("sleep 1\n");
        Map<String, String> environment = Map.of("JAVA_HOME", System.getProperty("java.home"), "VLM_BUILD_LOCK", lock);
        File nowhere = directory.resolve("printed").toFile();
        Process one = scripts.start(root, environment, nowhere, nowhere, "bin/vlm");
        Process two = scripts.start(root, environment, nowhere, nowhere, "bin/vlm");
        assertThat(one.waitFor()).isZero();
        assertThat(two.waitFor()).isZero();
        assertThat(Files.readAllLines(tools.resolve("calls"))).hasSize(1);
        assertThat(root.resolve("launcher/target/build.lock.d")).doesNotExist();
    }

    @Test
    void aFailedBuildGivesTheTreeUp() throws Exception {
        scripts.tool("mvn", "exit 1\n");
        Map<String, String> environment = Map.of("VLM_BUILD_LOCK", "directory");
        assertThat(run(root, environment, "bin/vlm").err()).contains("error [build_failed] mvn package failed");
        maven("");
        assertThat(run(root, environment, "bin/vlm").code()).isZero();
    }

    @Test
    void aLockThatAKilledBuildLeftIsNamed() throws Exception {
        Process killed = new ProcessBuilder("true").start();
        killed.waitFor();
        Path lock = Files.createDirectories(root.resolve("launcher/target/build.lock.d"));
        Files.writeString(lock.resolve("holder"), killed.pid() + "\n");
        assertThat(run(root, Map.of("VLM_BUILD_LOCK", "directory"), "bin/vlm"))
                .satisfies(outcome -> assertThat(outcome.code()).isEqualTo(1))
                .satisfies(outcome -> assertThat(outcome.err())
                        .isEqualTo("error [build_failed] process " + killed.pid()
                                + " ended while it built the tree; expected it to remove " + lock
                                + ", hint: delete that\n"));
    }

    @Test
    void aLockThatIsNotThereIsNotTaken() throws Exception {
        Map<String, String> bare = Map.of("PATH", tools + ":" + scripts.bareSystem());
        assertThat(run(root, bare, "/bin/sh", "bin/vlm").code())
                .as("the directory is, without being asked for")
                .isZero();
        Files.delete(root.resolve("launcher/target/suite/built"));
        Map<String, String> flock = new HashMap<>(bare);
        flock.put("VLM_BUILD_LOCK", "flock");
        assertThat(run(root, flock, "/bin/sh", "bin/vlm").err())
                .startsWith("error [usage] VLM_BUILD_LOCK asks for flock, which is not on PATH");
        assertThat(run(root, Map.of("VLM_BUILD_LOCK", "hope"), "bin/vlm").err())
                .isEqualTo("error [usage] VLM_BUILD_LOCK=hope; expected one of: auto, flock, directory\n");
    }

    /** Standard error is a file here, and no terminal. */
    @ParameterizedTest
    @CsvSource({"auto, false", "true, true", "false, false", "'', false"})
    void theTerminal(String variable, String seen) throws Exception {
        assertThat(run(root, Map.of("VLM_TERMINAL", variable), "bin/vlm").out()).contains("terminal " + seen + "\n");
    }

    /** {@code script} of util-linux runs a command on a terminal of its own. */
    @Test
    void aTerminalIsSeen() throws Exception {
        Outcome outcome = run(root, Map.of(), "script", "-qec", "bin/vlm", "/dev/null");
        assertThat(outcome.out()).contains("terminal true\r\n");
        assertThat(run(root, Map.of("VLM_TERMINAL", "false"), "script", "-qec", "bin/vlm", "/dev/null")
                        .out())
                .contains("terminal false\r\n");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "C", "POSIX", "C.UTF-8"})
    void lettersBeyondAsciiArrive(String locale) throws Exception {
        // The JVM of this test may be without a locale itself, and could not pass them on.
        Path script = Files.writeString(directory.resolve("ask"), """
                cd "$1" && touch Zürich.png && exec bin/vlm Zürich.png "Où est le n° 7 €?"
                """);
        Outcome outcome = run(directory, Map.of("LC_ALL", locale), "/bin/sh", script.toString(), root.toString());
        assertThat(outcome.out()).as(outcome.err()).contains("""
                argument Zürich.png
                argument Où est le n° 7 €?
                exists true
                """);
    }

    @Test
    void saysWhichJdksItFoundInsteadOfTheOneItNeeds() throws Exception {
        Path old = scripts.jdk("jdk-17", "17.0.2");
        Path other = scripts.jdk("jdks/another", "21");
        Path jdks = other.getParent();
        Outcome outcome = run(
                root,
                Map.of(
                        "JAVA_HOME",
                        old.toString(),
                        "VLM_JDK_PATH",
                        directory.resolve("none") + ":" + jdks,
                        "PATH",
                        tools + ":" + old + "/bin:" + scripts.bareSystem()),
                "/bin/sh",
                "bin/vlm",
                "up");
        assertThat(outcome.code()).isEqualTo(1);
        assertThat(outcome.err())
                .startsWith("error [no_jdk] no JDK 25; found: " + old + " (version 17)")
                .contains(" " + other + " (version 21)")
                .endsWith("hint: install one from https://adoptium.net and set JAVA_HOME\n")
                .hasLineCount(1);

        Outcome none = run(
                root,
                Map.of("JAVA_HOME", "", "VLM_JDK_PATH", tools.toString(), "PATH", scripts.bareSystem() + ""),
                "/bin/sh",
                "bin/vlm",
                "up");
        assertThat(none.err())
                .startsWith("error [no_jdk] no JDK 25; found: none; expected one in JAVA_HOME, on PATH or in one of "
                        + tools + ",")
                .hasLineCount(1);
    }

    /** A JDK 25 in JAVA_HOME, else on PATH, else in a place that is searched; itself there, or one of several. */
    @Test
    void whereAJdkIsFound() throws Exception {
        Path home = Path.of(System.getProperty("java.home"));
        Path jdks = Files.createDirectories(directory.resolve("some jdks"));
        Files.createSymbolicLink(jdks.resolve("jdk"), home);
        Path linked = Files.createSymbolicLink(tools.resolve("java"), home.resolve("bin/java"));
        Path old = scripts.jdk("jdk-17", "17.0.2");
        String bare = tools + ":" + scripts.bareSystem();
        assertThat(built(Map.of("JAVA_HOME", home.toString(), "PATH", bare))).isEqualTo(home.toString());
        assertThat(built(Map.of("JAVA_HOME", old.toString(), "VLM_JDK_PATH", "/none", "PATH", bare)))
                .as("the one on PATH")
                .isEqualTo(home.toString());
        Files.delete(linked);
        assertThat(built(Map.of("JAVA_HOME", old.toString(), "VLM_JDK_PATH", "/none:" + jdks, "PATH", bare)))
                .isEqualTo(jdks + "/jdk");
        assertThat(built(Map.of("JAVA_HOME", "", "VLM_JDK_PATH", home + ":/none", "PATH", bare)))
                .isEqualTo(home.toString());
    }

    /** The JDK that the tree was built with. */
    private String built(Map<String, String> environment) throws Exception {
        Files.deleteIfExists(tools.resolve("calls"));
        Files.deleteIfExists(root.resolve("launcher/target/suite/built"));
        Outcome outcome = run(root, environment, "/bin/sh", "bin/vlm");
        assertThat(outcome.code()).as(outcome.err()).isZero();
        String call = Files.readString(tools.resolve("calls"));
        return call.substring(0, call.indexOf(": "));
    }

    @Test
    void saysThatMavenIsMissing() throws Exception {
        Outcome outcome = run(root, Map.of("PATH", scripts.bareSystem() + ""), "/bin/sh", "bin/vlm", "up");
        assertThat(outcome.code()).isEqualTo(1);
        assertThat(outcome.err())
                .startsWith("error [no_maven] no mvn on PATH; expected Maven 3.8 or later, hint: ")
                .contains("https://maven.apache.org/")
                .hasLineCount(1);
    }
}
