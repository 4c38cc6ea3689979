package org.vlmserve.projector;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The service as a process, with what all three stage services share: how a start fails. */
class ProjectorApplicationTest {

    @Test
    void aMissingBundleIsOneLineAndExitCodeOne(@TempDir Path directory) throws IOException, InterruptedException {
        Path nowhere = directory.resolve("nowhere");
        Path output = directory.resolve("output");
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        "--enable-native-access=ALL-UNNAMED",
                        ProjectorApplication.class.getName(),
                        "--management.server.port=0",
                        "--server.port=0",
                        "--vlm.bundles[some.model]=" + nowhere)
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        try {
            assertThat(process.waitFor(5, TimeUnit.MINUTES)).isTrue();
        } finally {
            process.destroyForcibly();
        }
        assertThat(output)
                .content()
                .satisfies(log -> assertThat(log.lines().filter(line -> line.contains("ERROR")))
                        .singleElement()
                        .asString()
                        .contains("BUNDLE_CORRUPT")
                        .contains(nowhere.toString()))
                .doesNotContain("\tat ");
        assertThat(process.exitValue()).isEqualTo(1);
    }
}
