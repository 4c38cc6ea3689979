package org.vlmserve.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the choices of {@link Environment} do to real processes. */
class ForcedChoicesTest {

    /** Fields of {@code /proc/PID/stat} behind the program's name: proc_pid_stat(5). */
    private static final int SESSION = 6 - 3;

    private static final int NICE = 19 - 3;

    private static final int SIGHUP = 1;

    @TempDir
    Path directory;

    private final List<FakeSuite> suites = new ArrayList<>();
    private String port;

    @BeforeEach
    void choosePort() throws IOException {
        port = Integer.toString(new Ports().choose(0));
    }

    @AfterEach
    void stopAll() {
        suites.forEach(FakeSuite::close);
    }

    private FakeSuite suite(Map<String, String> variables, String classPath) throws Exception {
        FakeSuite suite = new FakeSuite(directory, variables, classPath);
        suites.add(suite);
        suite.checkpoint("small");
        return suite;
    }

    private FakeSuite suite(Map<String, String> variables) throws Exception {
        return suite(variables, System.getProperty("java.class.path"));
    }

    private static String[] stat(long pid) throws IOException {
        String stat = Files.readString(Path.of("/proc", Long.toString(pid), "stat"));
        return stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
    }

    private static boolean ignoresHangup(long pid) throws IOException {
        String mask = Files.readAllLines(Path.of("/proc", Long.toString(pid), "status")).stream()
                .filter(line -> line.startsWith("SigIgn:"))
                .map(line -> line.substring("SigIgn:".length()).strip())
                .findFirst()
                .orElseThrow();
        return (Long.parseUnsignedLong(mask, 16) & 1L << (SIGHUP - 1)) != 0;
    }

    @ParameterizedTest
    @ValueSource(strings = {"setsid", "nohup", "none"})
    void detached(String way) throws Exception {
        FakeSuite suite = suite(Map.of("VLM_DETACH", way));
        assertThat(suite.vlm("up", "--port", port).code()).isZero();
        long pid = suite.pid(Program.DECODER);
        String ownSession = stat(ProcessHandle.current().pid())[SESSION];
        assertThat(stat(pid)[SESSION]).isEqualTo(way.equals("setsid") ? Long.toString(pid) : ownSession);
        if (!way.equals("setsid")) {
            assertThat(ignoresHangup(pid))
                    .isEqualTo(way.equals("nohup")
                            || ignoresHangup(ProcessHandle.current().pid()));
        }
        assertThat(suite.vlm("status").code()).isZero();
        assertThat(suite.vlm("down").err()).contains("stopped");
    }

    @Test
    void theDefaultPort() throws Exception {
        FakeSuite suite = suite(Map.of("VLM_PORT", port));
        assertThat(suite.vlm("up").out()).isEqualTo("serving small at http://127.0.0.1:" + port + "/v1\n");
        String other = Integer.toString(new Ports().choose(0));
        assertThat(suite.vlm("up", "--port", other).out()).endsWith(":" + other + "/v1\n");
        assertThat(suite.vlm("up").out()).as("what runs keeps its port").endsWith(":" + other + "/v1\n");
    }

    @Test
    void progressOnATerminal() throws Exception {
        assertThat(suite(Map.of("VLM_TERMINAL", "true")).vlm("down").err())
                .startsWith("\r\u001b[Kstopping…\r\u001b[Kstopping… nothing ran ");
        assertThat(suite(Map.of("VLM_TERMINAL", "false")).vlm("down").err())
                .matches("stopping… nothing ran [0-9.]+ s\n");
    }

    /** AOT caches know jars only. */
    private String packed() throws IOException {
        List<String> entries = new ArrayList<>();
        for (String entry : System.getProperty("java.class.path").split(File.pathSeparator, -1)) {
            Path path = Path.of(entry);
            entries.add(Files.isDirectory(path) ? pack(path).toString() : entry);
        }
        return String.join(File.pathSeparator, entries);
    }

    private Path pack(Path classes) throws IOException {
        Path jar = Files.createTempFile(directory, "classes", ".jar");
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar));
                Stream<Path> files = Files.walk(classes)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                out.putNextEntry(
                        new JarEntry(classes.relativize(file).toString().replace(File.separatorChar, '/')));
                Files.copy(file, out);
            }
        }
        return jar;
    }

    private List<Path> caches(FakeSuite suite) throws IOException {
        try (Stream<Path> files = Files.list(Files.createDirectories(suite.home.resolve("aot")))) {
            return files.sorted().toList();
        }
    }

    private String optionsOf(FakeSuite suite, Program program) throws IOException {
        return Files.readString(suite.home.resolve("run/" + program.wireName() + ".args"));
    }

    @Test
    void startUpCaches() throws Exception {
        String jars = packed();
        FakeSuite without = suite(Map.of("VLM_AOT_CACHES", "false"), jars);
        assertThat(without.vlm("prepare-caches").err()).isEmpty();
        assertThat(caches(without)).isEmpty();

        int all = Program.SERVERS.size();
        FakeSuite with = suite(Map.of("VLM_AOT_CACHES", "true", "VLM_AOT_TRAININGS", "" + all), jars);
        Path together = with.home.resolve("together");
        Files.writeString(together, "" + all);
        assertThat(with.vlm("prepare-caches").err())
                .contains("preparing faster starts")
                .contains("… done");
        assertThat(caches(with)).hasSize(all).allMatch(file -> file.toString().endsWith(".aot"));
        assertThat(with.vlm("up", "--port", port).code()).isZero();
        for (Program program : Program.SERVERS) {
            assertThat(optionsOf(with, program))
                    .containsPattern(Pattern.quote("\"-XX:AOTCache=" + with.home) + ".*" + program.wireName());
            assertThat(with.home.resolve("logs/" + program.wireName() + ".log"))
                    .as("the JVM takes it")
                    .content()
                    .doesNotContain("[aot");
        }
        assertThat(with.vlm("down").err()).contains("stopped");

        assertThat(without.vlm("up", "--port", port).code()).isZero();
        for (Program program : Program.SERVERS) {
            assertThat(optionsOf(without, program)).doesNotContain("AOTCache");
        }
    }

    @Test
    void startUpCachesOneByOne() throws Exception {
        // Of class folders nothing can be made, which takes no time.
        FakeSuite suite = suite(Map.of("VLM_AOT_CACHES", "true", "VLM_AOT_TRAININGS", "1"));
        assertThat(suite.vlm("prepare-caches").err())
                .contains("no start-up cache for decoder; see ")
                .contains("… done in part");
        List<String> trainings = Files.readAllLines(suite.home.resolve("trainings"));
        assertThat(trainings).hasSize(2 * Program.SERVERS.size());
        for (int i = 0; i < trainings.size(); i += 2) {
            assertThat(trainings.get(i).replace("begin", "end")).isEqualTo(trainings.get(i + 1));
        }
    }

    /** Those of a build are made while nobody works; those after vlm up beside its programs. */
    @ParameterizedTest
    @ValueSource(strings = {"true", "false"})
    void priorityOfTheirMaking(String nice) throws Exception {
        FakeSuite suite = suite(Map.of("VLM_AOT_CACHES", "true", "VLM_AOT_TRAININGS", "1", "VLM_NICE", nice));
        // The first waits for a second that never comes, so that there is time to look.
        Files.writeString(suite.home.resolve("together"), "9");
        assertThat(suite.vlm("up", "--port", port).code()).isZero();
        RunningProgram trainer = new Home(suite.home)
                .read("prepare-caches", RunningProgram.class)
                .orElseThrow();
        assertThat(suite.isAlive(trainer)).isTrue();
        // Until then it is still one of the commands before it.
        while (!Files.readString(Path.of("/proc", "" + trainer.pid(), "comm")).equals("java\n")) {
            Thread.sleep(10);
        }
        int own = Integer.parseInt(stat(ProcessHandle.current().pid())[NICE]);
        assertThat(Integer.parseInt(stat(trainer.pid())[NICE]))
                .isEqualTo(Math.min(19, own + (nice.equals("true") ? 10 : 0)));
        assertThat(suite.vlm("down").err()).contains("stopped");
        assertThat(suite.isAlive(trainer)).as("nothing writes there any more").isFalse();
    }
}
