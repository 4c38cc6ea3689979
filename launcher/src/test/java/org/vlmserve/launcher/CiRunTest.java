package org.vlmserve.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.launcher.Scripts.Outcome;

/** {@code .ci/run}: what it does about a JDK and a Maven that are not there, and which suite it asks, on which port. */
class CiRunTest {

    private static final String NO_JDK = "error \\[no_jdk] no JDK 25; found: none; .*https://adoptium.net.*\n";

    @TempDir
    Path directory;

    private Scripts scripts;
    private Path jdks;

    @BeforeEach
    void prepare() throws IOException {
        scripts = new Scripts(directory, ".ci/run", "launcher/src/main/sh/tools.sh");
        jdks = Files.createDirectories(directory.resolve("some jdks"));
    }

    private Outcome run(Map<String, String> variables) throws Exception {
        Map<String, String> environment = new HashMap<>(variables);
        environment.put("PATH", scripts.tools + ":" + scripts.bareSystem());
        environment.put("VLM_JDK_PATH", jdks.toString());
        return scripts.run(directory, environment, "/bin/bash", scripts.root + "/.ci/run");
    }

    private void maven() throws IOException {
        scripts.tool("mvn", "echo \"mvn $* with $JAVA25_HOME\"\nexit 3\n");
    }

    /** A package manager that knows these packages; what it is told to install appears. */
    private void apt(String packages) throws IOException {
        Path log = directory.resolve("apt");
        Path jdk = scripts.jdk("packaged", "25.0.1");
        scripts.tool(
                "apt-cache",
                "for known in " + packages + "; do [ \"$known\" = \"$2\" ] && echo \"Package: $2\"; done\n");
        scripts.tool("apt-get", """
                echo "$*" >>"%s"
                case "$*" in
                  "install -y openjdk-25-jdk-headless") cp -r "%s" "%s" ;;
                  "install -y maven") printf '#!/bin/sh\\nexit 4\\n' >"%s/mvn" && /bin/chmod +x "%s/mvn" ;;
                esac
                """.formatted(log, jdk, jdks, scripts.tools, scripts.tools));
    }

    @Test
    void withoutAJdkItSaysSoInOneLine() throws Exception {
        maven();
        Outcome outcome = run(Map.of());
        assertThat(outcome.code()).isEqualTo(1);
        assertThat(outcome.out()).isEmpty();
        assertThat(outcome.err()).matches(NO_JDK);
    }

    @Test
    void aDistributionWithoutTheJdkIsNotAskedForIt() throws Exception {
        maven();
        apt("openjdk-17-jdk-headless");
        Outcome outcome = run(Map.of());
        assertThat(outcome.code()).isEqualTo(1);
        assertThat(outcome.out() + outcome.err()).matches(NO_JDK);
        assertThat(directory.resolve("apt")).hasContent("update");
    }

    @Test
    void aDistributionThatHasItIs() throws Exception {
        apt("openjdk-25-jdk-headless maven");
        Outcome outcome = run(Map.of());
        assertThat(outcome.code()).as(outcome.err()).isEqualTo(4);
        assertThat(outcome.out()).contains("Installing openjdk-25-jdk-headless").contains("Installing maven");
        assertThat(directory.resolve("apt")).content().contains("install -y openjdk-25-jdk-headless");
    }

    @Test
    void whatIsThereIsUsed() throws Exception {
        maven();
        apt("openjdk-25-jdk-headless maven");
        Path jdk = scripts.jdk("another place", "25");
        Outcome outcome = run(Map.of("JAVA_HOME", jdk.toString()));
        assertThat(outcome.code()).as("Maven's").isEqualTo(3);
        assertThat(outcome.out()).contains("mvn -B -ntp verify with " + jdk + "\n");
        assertThat(directory.resolve("apt")).doesNotExist();
    }

    @Test
    void withoutMavenItSaysSoInOneLine() throws Exception {
        Path jdk = scripts.jdk("some jdks/jdk", "25.0.2");
        assertThat(jdk).exists();
        Outcome outcome = run(Map.of());
        assertThat(outcome.code()).isEqualTo(1);
        assertThat(outcome.out()).isEmpty();
        assertThat(outcome.err()).matches("error \\[no_maven] no mvn on PATH; .*https://maven.apache.org/.*\n");
    }

    @Test
    void theSuiteThatItAsksIsItsOwnOnAPortThatIsFree() throws Exception {
        scripts.jdk("some jdks/jdk", "25.0.2");
        scripts.tool("mvn", "");
        scripts.tool("dpkg", "");
        String calls = directory.resolve("calls").toString();
        // Names a port, reads the expected answer, and makes an environment with more of itself.
        scripts.tool("python3", """
                case "$*" in
                  *socket*bind*0*) echo 4711 ;;
                  *json*) echo 7 ;;
                  *venv*) mkdir -p .venv/bin && cp "$0" .venv/bin/python && cp "$0" .venv/bin/pip ;;
                  *) echo "python $*" >>"%s" ;;
                esac
                """.formatted(calls));
        Files.createDirectories(scripts.root.resolve("training"));
        Files.writeString(scripts.root.resolve("training/README.md"), "apt-get install fonts-one fonts-two\n");
        Files.createDirectories(scripts.root.resolve("models"));
        Files.writeString(scripts.root.resolve("models/default"), "small\n");
        scripts.program("bin/vlm", "echo \"vlm $* in $VLM_HOME\" >>\"" + calls + "\"\n[ \"$1\" != ask ] || echo 7\n");

        Outcome outcome = run(Map.of("TMPDIR", Files.createDirectories(directory.resolve("tmp")) + ""));
        assertThat(outcome.code()).as(outcome.err()).isZero();
        assertThat(outcome.out()).contains("answer: 7").endsWith("==> All passed\n");
        Matcher called = Pattern.compile("""
                        vlm ask examples/receipt.png What is the total\\? in (?<home>.*/tmp/.*)
                        python install .*
                        python -m pytest -q training
                        vlm up --port 4711 in \\k<home>
                        python training/evaluate_documents.py .* --base-url http://127.0.0.1:4711/v1 --model small .*
                        vlm down in \\k<home>
                        """).matcher(Files.readString(Path.of(calls)));
        assertThat(called.matches()).as(Files.readString(Path.of(calls))).isTrue();
        assertThat(directory.resolve("tmp")).as("nothing is left").isEmptyDirectory();
    }
}
