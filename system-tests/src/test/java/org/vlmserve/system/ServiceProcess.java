package org.vlmserve.system;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** One service as operators run it: a JVM of its own on the class path that {@code bin/vlm} and the image use. */
final class ServiceProcess implements AutoCloseable {

    private static final Path SUITE = Path.of(System.getProperty("vlm.root"), "launcher", "target", "suite");
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    /** For those that live for a test only: soon compiled, never well. */
    static final List<String> QUICK_START = List.of("-XX:TieredStopAtLevel=1");

    private final String name;
    private final Process process;
    private final Path log;
    private final int managementPort;

    private ServiceProcess(String name, Process process, Path log, int managementPort) {
        this.name = name;
        this.process = process;
        this.log = log;
        this.managementPort = managementPort;
    }

    /**
     * @param program as in {@code launcher/target/suite}: {@code vision-encoder}, {@code gateway}, …
     * @param javaOptions besides those that every test's services run with
     */
    static ServiceProcess start(String program, Path logDirectory, List<String> javaOptions, List<String> properties) {
        try {
            Path arguments = SUITE.resolve(program + ".args");
            if (!Files.exists(arguments)) {
                throw new IllegalStateException(
                        arguments + " is missing: the launcher module puts it there at package");
            }
            int managementPort = freePort();
            List<String> command = new ArrayList<>();
            command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
            command.addAll(List.of("-Xmx512m", "-XX:+UseSerialGC"));
            command.addAll(javaOptions);
            command.add("@" + arguments);
            for (String property : properties) {
                command.add("--" + property);
            }
            command.add("--management.server.port=" + managementPort);
            command.add("--server.address=127.0.0.1");
            Files.createDirectories(logDirectory);
            Path log = Files.createTempFile(logDirectory, program + "-", ".log");
            Process process = new ProcessBuilder(command)
                    .directory(SUITE.toFile())
                    .redirectErrorStream(true)
                    .redirectOutput(log.toFile())
                    .redirectInput(new File("/dev/null"))
                    .start();
            return new ServiceProcess(program, process, log, managementPort);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static int freePort() {
        try (ServerSocket socket = new ServerSocket(0)) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Waits for readiness; fails at once, with the end of the log, if the process dies. */
    ServiceProcess awaitReady(Duration limit) {
        long end = System.nanoTime() + limit.toNanos();
        while (!ready()) {
            if (!process.isAlive()) {
                throw new AssertionError(
                        name + " died during start-up with " + process.exitValue() + ":\n" + logTail());
            }
            if (System.nanoTime() - end > 0) {
                throw new AssertionError(name + " was not ready within " + limit + ":\n" + logTail());
            }
            pause();
        }
        return this;
    }

    boolean ready() {
        HttpRequest request = HttpRequest.newBuilder(managementUri("/actuator/health/readiness"))
                .timeout(Duration.ofSeconds(5))
                .build();
        try {
            return HTTP.send(request, HttpResponse.BodyHandlers.discarding()).statusCode() == 200;
        } catch (IOException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while waiting for " + name, e);
        }
    }

    URI managementUri(String path) {
        return URI.create("http://127.0.0.1:" + managementPort + path);
    }

    /** The current value of a metric, summed over its tags; 0 if it was never recorded. */
    double metric(String prometheusName) {
        try {
            String body = HTTP.send(
                            HttpRequest.newBuilder(managementUri("/actuator/prometheus"))
                                    .build(),
                            HttpResponse.BodyHandlers.ofString())
                    .body();
            return body.lines()
                    .filter(line -> line.startsWith(prometheusName + "{") || line.startsWith(prometheusName + " "))
                    .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
                    .sum();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    /** As {@code kill -9}. */
    void kill() {
        process.destroyForcibly();
        awaitExit();
    }

    /** As {@code kill}: the service hands back what it holds. */
    int terminate() {
        process.destroy();
        return awaitExit();
    }

    private int awaitExit() {
        try {
            if (!process.waitFor(30, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                throw new AssertionError(name + " did not end within 30 s of SIGTERM:\n" + logTail());
            }
            return process.exitValue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    boolean alive() {
        return process.isAlive();
    }

    String log() {
        try {
            return Files.readString(log, StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    String logTail() {
        List<String> lines = log().lines().toList();
        return String.join("\n", lines.subList(Math.max(0, lines.size() - 40), lines.size()));
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }

    private static void pause() {
        try {
            Thread.sleep(100);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }
}
