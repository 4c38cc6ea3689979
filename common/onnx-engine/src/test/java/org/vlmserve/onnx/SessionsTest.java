package org.vlmserve.onnx;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.protocol.error.VlmException;

class SessionsTest {

    @TempDir
    Path directory;

    /** Without the pinned environment this process dies of SIGSEGV more often than not. */
    @Test
    void aProcessThatEndsDuringABuildEndsAsItWasTold() throws Exception {
        TestGraphs.write(directory, TestGraphs.slow());
        Path log = directory.resolve("output.log");
        Process process = new ProcessBuilder(List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-XX:-CreateCoredumpOnCrash",
                        "-XX:ErrorFile=" + directory.resolve("crash.log"),
                        "-cp",
                        System.getProperty("java.class.path"),
                        BuildsUntilTheEnd.class.getName(),
                        directory.resolve("graph.onnx").toString()))
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        boolean ended = process.waitFor(60, TimeUnit.SECONDS);
        process.destroyForcibly();
        String output = Files.readString(log);
        assertThat(ended).as(output).isTrue();
        assertThat(process.exitValue()).as(output).isEqualTo(7);
        assertThat(output).contains("waited for the build").contains("STAGE_UNAVAILABLE");
    }

    @Test
    void theEnvironmentCanBePinned() {
        assertThat(Sessions.environment()).isNotNull();
        assertThat(EnvironmentPin.pin()).isTrue();
    }

    /** Ends with 7 while one thread builds session after session and another is in the middle of a long build. */
    static final class BuildsUntilTheEnd {

        private BuildsUntilTheEnd() {}

        public static void main(String[] args) throws Exception {
            Path graph = Path.of(args[0]);
            OnnxModel.load(graph, EngineOptions.ofThreads(1)).close();
            Thread builds = new Thread(() -> {
                while (true) {
                    try {
                        OnnxModel.load(graph, EngineOptions.ofThreads(1)).close();
                    } catch (VlmException e) {
                        System.out.println(e.code());
                        return;
                    }
                }
            });
            builds.start();
            Object begun = new Object();
            synchronized (begun) {
                new Thread(() -> Sessions.exclusive(() -> {
                            synchronized (begun) {
                                begun.notifyAll();
                            }
                            try {
                                builds.join();
                            } catch (InterruptedException e) {
                                throw new IllegalStateException(e);
                            }
                            System.out.println("waited for the build");
                            return 0;
                        }))
                        .start();
                begun.wait();
            }
            System.exit(7);
        }
    }
}
