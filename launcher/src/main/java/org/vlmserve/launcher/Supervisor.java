package org.vlmserve.launcher;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Starts, watches and stops the programs of one suite. Whoever calls {@link #up} or {@link #down} holds the
 * {@linkplain Home#lock lock}.
 */
final class Supervisor {

    private static final JsonMapper JSON = JsonMapper.builder().build();
    private static final Duration START_LIMIT = Duration.ofMinutes(10);
    /** From the last program's readiness until the gateway has heard of every stage. */
    private static final Duration SERVE_LIMIT = Duration.ofMinutes(2);

    private static final Duration STOP_LIMIT = Duration.ofSeconds(20);
    private static final int POLL_MILLIS = 40;

    private final Home home;
    private final Suite suite;
    private final AotCaches caches;
    private final Progress progress;
    private final Http http;
    private final Wrappers wrappers;
    private final ProcessIdentity identities;

    Supervisor(
            Home home,
            Suite suite,
            AotCaches caches,
            Progress progress,
            Http http,
            Wrappers wrappers,
            ProcessIdentity identities) {
        this.home = home;
        this.suite = suite;
        this.caches = caches;
        this.progress = progress;
        this.http = http;
        this.wrappers = wrappers;
        this.identities = identities;
    }

    /** Makes the bundle directories; asked for after those programs are on their way that need none. */
    interface Bundles {
        Map<String, Path> get() throws IOException, InterruptedException;
    }

    /** How a program does. */
    enum State {
        READY,
        STARTING,
        DEAD,
        STOPPED
    }

    record Status(Program program, State state, Optional<RunningProgram> process) {}

    /**
     * Starts what does not run, replaces what runs with another configuration or an older build, and returns when every
     * program is ready and every model is served. When one of them fails, or the thread is interrupted, what this call
     * started is stopped again.
     *
     * @param passing whether the suite is for a question and not to stay
     * @throws VlmException {@code PORT_IN_USE} or {@code START_FAILED}
     */
    void up(int port, boolean passing, Bundles bundles) throws IOException, InterruptedException {
        Map<Program, RunningProgram> programs = new EnumMap<>(Program.class);
        Map<Program, Process> started = new EnumMap<>(Program.class);
        Optional<Settings> before = settings();
        boolean done = false;
        try {
            Ports ports = new Ports();
            List<String> options = passing ? JavaCommand.SHORT_LIVED : List.of();
            RunningProgram broker = broker(options, ports, started);
            programs.put(Program.BROKER, broker);
            programs.put(
                    Program.GATEWAY,
                    service(Program.GATEWAY, options, gatewayPort(port), broker, Map.of(), ports, started));
            Map<String, Path> served = bundles.get();
            Map<String, String> names = new LinkedHashMap<>();
            served.forEach((name, directory) -> names.put(name, directory.toString()));
            home.write(Settings.NAME, new Settings(port, names, passing));
            for (Program stage : Program.SERVERS) {
                if (stage.servesBundles()) {
                    programs.put(stage, service(stage, options, 0, broker, served, ports, started));
                }
            }
            awaitReady(programs, started);
            awaitModels(port, served.keySet(), programs);
            done = true;
        } finally {
            if (!done) {
                progress.abandon();
                // An interrupt is why we are here; it must not keep us from cleaning up.
                boolean interrupted = Thread.interrupted();
                stop(started.keySet());
                if (before.isPresent()) {
                    home.write(Settings.NAME, before.get());
                } else {
                    home.forget(Settings.NAME);
                }
                if (interrupted) {
                    Thread.currentThread().interrupt();
                }
            }
        }
    }

    /** What was asked of the suite that runs, if one does. */
    Optional<Settings> settings() throws IOException {
        return home.read(Settings.NAME, Settings.class);
    }

    List<Status> status() throws IOException, InterruptedException {
        List<Status> all = new ArrayList<>();
        for (Program program : Program.SERVERS) {
            Optional<RunningProgram> noted = home.read(program.wireName(), RunningProgram.class);
            State state = noted.isEmpty()
                    ? State.STOPPED
                    : noted.get().alive(identities).isEmpty()
                            ? State.DEAD
                            : isReady(program, noted.get()) ? State.READY : State.STARTING;
            all.add(new Status(program, state, noted));
        }
        return all;
    }

    /** The names that the gateway offers. */
    Set<String> models(int gatewayPort) throws InterruptedException {
        Set<String> names = new TreeSet<>();
        Optional<String> body = http.get(gatewayPort, "/v1/models");
        if (body.isPresent()) {
            for (JsonNode model : JSON.readTree(body.get()).path("data")) {
                names.add(model.path("id").asString());
            }
        }
        return names;
    }

    /** Stops everything. Returns whether anything ran. */
    boolean down() throws IOException, InterruptedException {
        boolean any = stop(EnumSet.copyOf(Program.SERVERS));
        home.forget(Settings.NAME);
        return any;
    }

    private int gatewayPort(int port) throws IOException {
        Optional<RunningProgram> gateway = running(Program.GATEWAY);
        boolean ours = gateway.isPresent() && gateway.get().port() == port;
        if (!ours && !Ports.isFree(port)) {
            throw new VlmException(
                    ErrorCode.PORT_IN_USE,
                    "port " + port
                            + " on 127.0.0.1 is used by another program; expected a free one for the gateway, hint:"
                            + " vlm up --port " + (port + 1));
        }
        return port;
    }

    private RunningProgram broker(List<String> javaOptions, Ports ports, Map<Program, Process> started)
            throws IOException, InterruptedException {
        String fingerprint = hash(List.of(
                suite.fingerprint(Program.BROKER),
                javaOptions.toString(),
                Broker.settings().toString(),
                home.kafka().toString()));
        Optional<RunningProgram> running = running(Program.BROKER);
        if (running.isPresent() && running.get().command().equals(fingerprint)) {
            return running.get();
        }
        if (running.isPresent()) {
            stop(EnumSet.of(Program.BROKER));
        }
        Optional<RunningProgram> before = home.read(Program.BROKER.wireName(), RunningProgram.class);
        int port = ports.choose(before.map(RunningProgram::port).orElse(0));
        int controllerPort =
                ports.choose(before.map(RunningProgram::managementPort).orElse(0));
        Path configuration = Broker.configure(home.kafka(), port, controllerPort);
        progress.begin("starting broker");
        if (!Broker.isFormatted(home.kafka())) {
            format(configuration);
        }
        List<String> options = new ArrayList<>(javaOptions);
        options.addAll(Broker.JAVA_OPTIONS);
        List<String> command = JavaCommand.of(
                suite, Program.BROKER, caches.options(Program.BROKER, options), List.of(configuration.toString()));
        return start(Program.BROKER, command, port, controllerPort, fingerprint, started);
    }

    private void format(Path configuration) throws IOException, InterruptedException {
        LogFile log = new LogFile(home.log("broker-format"));
        List<String> options = caches.options(Program.BROKER, JavaCommand.SHORT_LIVED);
        Process process = JavaCommand.start(Broker.format(suite, options, configuration), home, log);
        try {
            if (process.waitFor() != 0) {
                throw new VlmException(
                        ErrorCode.START_FAILED,
                        "the broker's storage could not be formatted: " + log.lastError() + "; see " + log.path());
            }
        } finally {
            process.destroyForcibly();
        }
    }

    private RunningProgram service(
            Program program,
            List<String> javaOptions,
            int port,
            RunningProgram broker,
            Map<String, Path> bundles,
            Ports ports,
            Map<Program, Process> started)
            throws IOException, InterruptedException {
        List<String> wanted = new ArrayList<>();
        wanted.add("--vlm.kafka.bootstrap-servers=127.0.0.1:" + broker.port());
        wanted.add("--server.address=127.0.0.1");
        if (program == Program.GATEWAY) {
            // A stage serves health and metrics only, all on one port.
            wanted.add("--server.port=" + port);
            wanted.add("--management.server.address=127.0.0.1");
        }
        if (program.servesBundles()) {
            // What is found out about this processor is kept; weights are not, which would take their room on the disk
            // again.
            wanted.add("--vlm.engine.cache-directory=" + home.engine());
            wanted.add("--vlm.engine.prepack=false");
        }
        bundles.forEach((name, directory) -> wanted.add("--vlm.bundles[" + name + "]=" + directory));
        List<String> identity = new ArrayList<>(wanted);
        identity.addAll(javaOptions);
        identity.add(suite.fingerprint(program));
        String fingerprint = hash(identity);

        Optional<RunningProgram> running = running(program);
        if (running.isPresent() && running.get().command().equals(fingerprint)) {
            return running.get();
        }
        if (running.isPresent()) {
            stop(EnumSet.of(program));
        }
        progress.begin("starting " + program.wireName());
        int managementPort = ports.choose(0);
        wanted.add("--management.server.port=" + managementPort);
        List<String> command = JavaCommand.of(suite, program, caches.options(program, javaOptions), wanted);
        return start(program, command, port, managementPort, fingerprint, started);
    }

    private RunningProgram start(
            Program program,
            List<String> command,
            int port,
            int managementPort,
            String fingerprint,
            Map<Program, Process> started)
            throws IOException, InterruptedException {
        Process process = JavaCommand.start(
                wrappers.detached(), command, Map.of(), home, new LogFile(home.log(program.wireName())));
        started.put(program, process);
        RunningProgram running = RunningProgram.of(process, identities, port, managementPort, fingerprint);
        home.write(program.wireName(), running);
        return running;
    }

    private void awaitReady(Map<Program, RunningProgram> programs, Map<Program, Process> started)
            throws IOException, InterruptedException {
        Map<Program, RunningProgram> pending = new EnumMap<>(programs);
        long deadline = System.nanoTime() + START_LIMIT.toNanos();
        while (!pending.isEmpty()) {
            // Those that are ready too: they must still be there when the slowest one is.
            for (Map.Entry<Program, RunningProgram> entry : programs.entrySet()) {
                Program program = entry.getKey();
                requireAlive(program, entry.getValue(), Optional.ofNullable(started.get(program)));
                if (pending.containsKey(program) && isReady(program, entry.getValue())) {
                    pending.remove(program);
                    progress.end("starting " + program.wireName(), "ready");
                }
            }
            requireTime(deadline, START_LIMIT, pending.keySet() + " to be ready");
            Thread.sleep(POLL_MILLIS);
        }
    }

    private void awaitModels(int gatewayPort, Set<String> names, Map<Program, RunningProgram> programs)
            throws IOException, InterruptedException {
        String step = "waiting for " + String.join(", ", names);
        long deadline = System.nanoTime() + SERVE_LIMIT.toNanos();
        progress.begin(step);
        while (!models(gatewayPort).containsAll(names)) {
            for (Map.Entry<Program, RunningProgram> entry : programs.entrySet()) {
                requireAlive(entry.getKey(), entry.getValue(), Optional.empty());
            }
            requireTime(deadline, SERVE_LIMIT, "the gateway to offer " + names);
            Thread.sleep(POLL_MILLIS);
        }
        progress.end(step, "served");
    }

    private void requireAlive(Program program, RunningProgram process, Optional<Process> child)
            throws IOException, InterruptedException {
        if (process.alive(identities).isPresent()) {
            return;
        }
        // The system says that it is gone a moment before the JVM has fetched its exit code.
        String code = child.isPresent() && child.get().waitFor(1, TimeUnit.SECONDS)
                ? " with exit code " + child.get().exitValue()
                : "";
        LogFile log = new LogFile(home.log(program.wireName()));
        throw new VlmException(
                ErrorCode.START_FAILED,
                program.wireName() + " stopped" + code + ": " + log.lastError() + "; see " + log.path());
    }

    private static void requireTime(long deadline, Duration limit, String waitingFor) {
        if (System.nanoTime() - deadline > 0) {
            throw new VlmException(
                    ErrorCode.START_FAILED,
                    "waited " + limit.toMinutes() + " minutes for " + waitingFor + "; hint: vlm logs PROGRAM");
        }
    }

    private boolean isReady(Program program, RunningProgram process) throws InterruptedException {
        return program == Program.BROKER
                ? Ports.accepts(process.port())
                : http.get(process.managementPort(), "/actuator/health/readiness")
                        .isPresent();
    }

    private Optional<RunningProgram> running(Program program) throws IOException {
        return home.read(program.wireName(), RunningProgram.class)
                .filter(process -> process.alive(identities).isPresent());
    }

    /** The services first, so that they can say good-bye to the broker. */
    private boolean stop(Set<Program> programs) throws IOException, InterruptedException {
        Set<Program> services = EnumSet.noneOf(Program.class);
        services.addAll(programs);
        boolean brokerToo = services.remove(Program.BROKER);
        boolean any = stopTogether(services);
        if (brokerToo) {
            any |= stopTogether(EnumSet.of(Program.BROKER));
        }
        return any;
    }

    private boolean stopTogether(Set<Program> programs) throws IOException, InterruptedException {
        Map<Program, RunningProgram> stopping = new EnumMap<>(Program.class);
        for (Program program : programs) {
            Optional<RunningProgram> running = running(program);
            if (running.isPresent()) {
                running.get().alive(identities).ifPresent(ProcessHandle::destroy);
                stopping.put(program, running.get());
            }
        }
        long deadline = System.nanoTime() + STOP_LIMIT.toNanos();
        for (Map.Entry<Program, RunningProgram> entry : stopping.entrySet()) {
            RunningProgram process = entry.getValue();
            while (process.alive(identities).isPresent()) {
                if (System.nanoTime() - deadline > 0) {
                    progress.line(entry.getKey().wireName() + " did not stop within " + STOP_LIMIT.toSeconds()
                            + " s and is killed");
                    process.alive(identities).ifPresent(ProcessHandle::destroyForcibly);
                    deadline = System.nanoTime() + STOP_LIMIT.toNanos();
                }
                Thread.sleep(POLL_MILLIS);
            }
        }
        for (Program program : programs) {
            home.forget(program.wireName());
        }
        return !stopping.isEmpty();
    }

    private static String hash(List<String> parts) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (String part : parts) {
                digest.update(part.getBytes(StandardCharsets.UTF_8));
                digest.update((byte) 0);
            }
            return HexFormat.of().formatHex(digest.digest(), 0, 8);
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every JDK has SHA-256", e);
        }
    }
}
