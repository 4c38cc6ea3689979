package org.vlmserve.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A real Kafka broker, from the jars that the build names. */
class BrokerTest {

    @TempDir
    Path directory;

    @Test
    void startsFromNothingAndStops() throws Exception {
        Path classPath = Path.of(System.getProperty("vlm.root"), "launcher/broker/target/runtime.classpath");
        Files.write(
                directory.resolve("broker.args"),
                List.of("-cp", Files.readString(classPath).strip(), Program.BROKER.mainClass()));
        Suite suite = new Suite(directory);
        Home home = new Home(Files.createDirectories(directory.resolve("home")));
        Ports ports = new Ports();
        int port = ports.choose(0);
        Path configuration = Broker.configure(home.kafka(), port, ports.choose(0));
        LogFile log = new LogFile(home.log("broker"));

        assertThat(Broker.isFormatted(home.kafka())).isFalse();
        Process format = JavaCommand.start(Broker.format(suite, JavaCommand.SHORT_LIVED, configuration), home, log);
        assertThat(format.waitFor()).as(log.lastError()).isZero();
        assertThat(Broker.isFormatted(home.kafka())).isTrue();

        Process broker = JavaCommand.start(
                JavaCommand.of(suite, Program.BROKER, Broker.JAVA_OPTIONS, List.of(configuration.toString())),
                home,
                log);
        try {
            while (broker.isAlive() && !Ports.accepts(port)) {
                broker.waitFor(50, TimeUnit.MILLISECONDS);
            }
            assertThat(broker.isAlive()).as(log.lastError()).isTrue();
            broker.destroy();
            assertThat(broker.waitFor(30, TimeUnit.SECONDS))
                    .as("stops when asked")
                    .isTrue();
        } finally {
            broker.destroyForcibly();
        }
        assertThat(log.path()).content().contains("Kafka Server started").doesNotContain("ERROR");
        assertThat(home.kafka().resolve("data/__cluster_metadata-0")).isNotEmptyDirectory();
    }
}
