package org.vlmserve.messaging;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.vlmserve.protocol.TileJob;

/**
 * A stage in a JVM of its own, to be killed: {@code encoder} hangs in its first job, {@code mortal-encoder} dies of it,
 * {@code slow-tiler} hangs in its first tile, {@code decoder} answers slowly, {@code mortal-decoder} dies of a fourth token.
 */
final class StageProcess implements AutoCloseable {

    private final Process process;
    private final BufferedReader out;

    private StageProcess(Process process) {
        this.process = process;
        this.out = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    }

    static StageProcess start(String stage, String model) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                ProcessHandle.current().info().command().orElseThrow(),
                "-Xmx128m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-D" + TestBroker.PROPERTY + "=" + TestBroker.bootstrap(),
                "-cp",
                System.getProperty("java.class.path"),
                StageProcess.class.getName(),
                stage,
                model));
        return new StageProcess(new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start());
    }

    /** Reads what the process says until it says this. */
    void awaitLine(String expected) throws IOException {
        String line;
        do {
            line = out.readLine();
            if (line == null) {
                throw new IOException("the process ended before it said '" + expected + "'");
            }
        } while (!line.equals(expected));
    }

    /** Waits until the process has died by itself. */
    boolean died(java.time.Duration atMost) throws InterruptedException {
        return process.waitFor(atMost.toMillis(), java.util.concurrent.TimeUnit.MILLISECONDS);
    }

    /** As {@code kill -9} does. */
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }

    public static void main(String[] arguments) throws InterruptedException {
        String model = arguments[1];
        switch (arguments[0]) {
            case "encoder" ->
                Echo.Instance.encoder(model, 1, (job, context) -> {
                    System.out.println("computing");
                    Thread.sleep(Duration.ofHours(1));
                });
            case "mortal-encoder" ->
                Echo.Instance.encoder(model, 1, (job, context) -> {
                    // No hook runs, no socket is closed by us: the process is gone as after kill -9.
                    Runtime.getRuntime().halt(137);
                });
            case "slow-tiler" ->
                Echo.Instance.encoder(model, 1, (job, context) -> {
                    if (job instanceof TileJob tile) {
                        System.out.println("tile");
                        Thread.sleep(Duration.ofHours(1));
                    }
                    Echo.encode(job, context);
                });
            case "mortal-decoder" -> Echo.Instance.decoder(model, new Echo.Decoder(4, Duration.ofMillis(100), 3));
            case "decoder" -> Echo.Instance.decoder(model, new Echo.Decoder(4, Duration.ofMillis(100)));
            default -> throw new IllegalArgumentException(arguments[0]);
        }
        System.out.println("started");
        Thread.sleep(Duration.ofHours(1));
    }
}
