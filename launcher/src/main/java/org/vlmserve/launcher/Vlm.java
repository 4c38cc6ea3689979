package org.vlmserve.launcher;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileLockInterruptionException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** The commands of {@code bin/vlm}. */
public final class Vlm {

    private static final int OK = 0;
    private static final int FAILED = 1;
    private static final int USAGE = 2;
    private static final int INTERRUPTED = 130;
    private static final int CLEAN_UP_SECONDS = 60;
    private static final String TRAINER = "prepare-caches";
    private static final Duration STOP_TRAINER = Duration.ofSeconds(20);
    private static final int POLL_MILLIS = 40;

    private final Environment environment;
    private final PrintStream out;
    private final PrintStream err;
    private final Home home;
    private final Suite suite;
    private final Progress progress;
    private final Http http = new Http();
    private final AotCaches caches;
    private final Supervisor supervisor;
    private final Models models;
    private final Askers askers;

    Vlm(Environment environment, PrintStream out, PrintStream err) {
        this.environment = environment;
        this.out = out;
        this.err = err;
        home = new Home(environment.home());
        suite = new Suite(environment.suite());
        progress = new Progress(err, environment.terminal());
        caches = new AotCaches(home, suite, environment.aotCaches());
        supervisor =
                new Supervisor(home, suite, caches, progress, http, environment.wrappers(), environment.identities());
        models = new Models(environment.models(), home, suite, progress);
        askers = new Askers(home, environment.identities());
    }

    public static void main(String[] arguments) {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        PrintStream err = new PrintStream(System.err, false, StandardCharsets.UTF_8);
        Thread main = Thread.currentThread();
        CountDownLatch cleanedUp = new CountDownLatch(1);
        // On Ctrl-C the command is interrupted and given time to stop what it started.
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            if (cleanedUp.getCount() > 0) {
                main.interrupt();
                try {
                    cleanedUp.await(CLEAN_UP_SECONDS, TimeUnit.SECONDS);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            }
        }));
        int code;
        try {
            code = new Vlm(Environment.ofSystem(), out, err).run(arguments);
        } catch (CommandLine.UsageException e) {
            err.println("error [usage] " + e.getMessage());
            code = USAGE;
        }
        out.flush();
        err.flush();
        cleanedUp.countDown();
        System.exit(code);
    }

    /** Runs one command line and returns the exit code. */
    int run(String... arguments) {
        try {
            return run(CommandLine.parse(arguments));
        } catch (CommandLine.UsageException e) {
            return failed("usage", String.valueOf(e.getMessage()), USAGE);
        } catch (VlmException e) {
            return failed(e.code().wireName(), String.valueOf(e.getMessage()), FAILED);
        } catch (Question.FailedAnswer e) {
            return failed(e.code(), String.valueOf(e.getMessage()), FAILED);
        } catch (InterruptedException | ClosedByInterruptException | FileLockInterruptionException e) {
            progress.abandon();
            err.println("interrupted");
            return INTERRUPTED;
        } catch (FileSystemException e) {
            return failed("internal", e + " (" + e.getFile() + ")", FAILED);
        } catch (IOException e) {
            return failed("internal", e.toString(), FAILED);
        }
    }

    private int failed(String code, String message, int exitCode) {
        progress.abandon();
        err.println("error [" + code + "] " + message);
        return exitCode;
    }

    private int run(Command command)
            throws IOException, InterruptedException, Question.FailedAnswer, CommandLine.UsageException {
        return switch (command) {
            case Command.Help help -> {
                out.print(CommandLine.help(help.topic()));
                yield OK;
            }
            case Command.Ask ask -> ask(ask);
            case Command.Up up -> up(up);
            case Command.Down down -> down();
            case Command.Status status -> status();
            case Command.Logs logs -> logs(logs);
            case Command.Import imported -> importCheckpoint(imported);
            case Command.PrepareCaches prepare -> prepareCaches();
        };
    }

    private Home.Held lock() throws IOException {
        return home.lock(() -> progress.line("waiting for another vlm command that starts or stops programs"));
    }

    private int up(Command.Up command) throws IOException, InterruptedException {
        int port;
        try (Home.Held held = lockWhenNobodyAsks()) {
            Optional<Settings> running = supervisor.settings();
            boolean kept = running.isPresent() && !running.get().passing();
            Map<String, Path> sources = new TreeMap<>(models.checkpoints());
            if (kept) {
                running.get().bundles().forEach((name, directory) -> sources.putIfAbsent(name, Path.of(directory)));
            }
            command.bundles()
                    .forEach((name, directory) -> sources.put(
                            name,
                            environment
                                    .directory()
                                    .resolve(directory)
                                    .toAbsolutePath()
                                    .normalize()));
            if (sources.isEmpty()) {
                models.defaultOf(Set.of());
            }
            Integer wish = command.port();
            port = wish != null ? wish : kept ? running.get().port() : environment.port();
            supervisor.up(port, false, () -> bundles(sources));
            out.println("serving " + String.join(", ", sources.keySet()) + " at http://127.0.0.1:" + port + "/v1");
        }
        prepareCachesInBackground();
        return OK;
    }

    private Map<String, Path> bundles(Map<String, Path> sources) throws IOException, InterruptedException {
        Map<String, Path> bundles = new LinkedHashMap<>();
        for (Map.Entry<String, Path> source : sources.entrySet()) {
            bundles.put(source.getKey(), models.bundle(source.getKey(), source.getValue()));
        }
        return bundles;
    }

    /** A suite that was started for a question may be changed only when that is answered. */
    private Home.Held lockWhenNobodyAsks() throws IOException, InterruptedException {
        boolean said = false;
        while (true) {
            Home.Held lock = lock();
            boolean passing = supervisor.settings().filter(Settings::passing).isPresent();
            List<Long> others = passing ? askers.others() : List.of();
            if (others.isEmpty()) {
                return lock;
            }
            lock.close();
            if (!said) {
                progress.line("waiting for vlm ask to end (process " + others.getFirst() + ")");
                said = true;
            }
            Thread.sleep(200);
        }
    }

    private int down() throws IOException, InterruptedException {
        stopTrainer();
        try (Home.Held held = lock()) {
            progress.begin("stopping");
            boolean any = supervisor.down();
            progress.end("stopping", any ? "stopped" : "nothing ran");
            return OK;
        }
    }

    /** What it writes is gone when this returns, so that the state directory may be deleted. */
    private void stopTrainer() throws IOException, InterruptedException {
        Optional<RunningProgram> trainer = home.read(TRAINER, RunningProgram.class);
        if (trainer.isEmpty()) {
            return;
        }
        ProcessIdentity identities = environment.identities();
        trainer.get().alive(identities).ifPresent(ProcessHandle::destroy);
        long deadline = System.nanoTime() + STOP_TRAINER.toNanos();
        while (trainer.get().alive(identities).isPresent()) {
            if (System.nanoTime() - deadline > 0) {
                trainer.get().alive(identities).ifPresent(ProcessHandle::destroyForcibly);
            }
            Thread.sleep(POLL_MILLIS);
        }
        home.forget(TRAINER);
    }

    private int status() throws IOException, InterruptedException {
        Optional<Settings> settings = supervisor.settings();
        boolean ready = true;
        String row = "%-15s %8s %6s  %-9s %s%n";
        out.printf(Locale.ROOT, row, "PROGRAM", "PID", "PORT", "STATE", "MODELS");
        for (Supervisor.Status status : supervisor.status()) {
            ready &= status.state() == Supervisor.State.READY;
            boolean noted = status.process().isPresent();
            String served = "";
            if (settings.isPresent() && status.state() == Supervisor.State.READY) {
                served = status.program() == Program.GATEWAY
                        ? String.join(", ", supervisor.models(settings.get().port()))
                        : status.program().servesBundles()
                                ? String.join(", ", settings.get().bundles().keySet())
                                : "";
            }
            int port = status.process().map(Vlm::shownPort).orElse(0);
            out.printf(
                    Locale.ROOT,
                    row,
                    status.program().wireName(),
                    noted ? Long.toString(status.process().get().pid()) : "-",
                    port > 0 ? Integer.toString(port) : "-",
                    status.state().name().toLowerCase(Locale.ROOT),
                    served);
        }
        return ready ? OK : FAILED;
    }

    private static int shownPort(RunningProgram process) {
        return process.port() > 0 ? process.port() : process.managementPort();
    }

    private int logs(Command.Logs command) throws IOException, InterruptedException {
        Path file = home.log(command.program().wireName());
        if (!Files.exists(file)) {
            throw new VlmException(
                    ErrorCode.NOT_RUNNING,
                    "no log " + file + "; expected " + command.program().wireName()
                            + " to have been started, hint: vlm up");
        }
        new LogFile(file).print(out, command.follow());
        return OK;
    }

    private int importCheckpoint(Command.Import command) throws IOException, InterruptedException {
        return JavaCommand.runHere(JavaCommand.of(suite, Program.IMPORTER, List.of(), command.arguments()), home);
    }

    private int ask(Command.Ask command) throws IOException, InterruptedException, Question.FailedAnswer {
        try {
            Settings settings = suiteFor(command);
            String model = command.model() != null
                    ? command.model()
                    : models.defaultOf(settings.bundles().keySet());
            Question question = Question.of(
                    model, command.maxTokens(), command.pictures(), command.question(), environment.directory());
            long began = System.nanoTime();
            Question.Answer answer = question.ask(http, settings.port(), out);
            out.println();
            out.flush();
            String took = Progress.seconds(Duration.ofNanos(System.nanoTime() - began));
            progress.line(answer.tokens() > 0 ? answer.tokens() + " tokens in " + took : "answered in " + took);
            if (answer.finishReason().equals("length")) {
                progress.line("cut off at the limit; hint: --max-tokens N for a longer answer");
            }
            return OK;
        } finally {
            leave();
        }
    }

    /** The suite that runs, or one that is started now and goes with the last question. */
    private Settings suiteFor(Command.Ask command) throws IOException, InterruptedException {
        // A question that cannot be asked must not cost a start.
        Optional<Settings> fast = supervisor.settings();
        if (fast.isPresent() && allReady()) {
            try (Home.Held held = lock()) {
                if (supervisor.settings().isPresent()) {
                    askers.enter();
                    return fast.get();
                }
            }
        }
        try (Home.Held held = lock()) {
            askers.enter();
            Optional<Settings> running = supervisor.settings();
            if (running.isPresent() && !running.get().passing()) {
                Map<String, Path> sources = new TreeMap<>();
                running.get().bundles().forEach((name, directory) -> sources.put(name, Path.of(directory)));
                supervisor.up(running.get().port(), false, () -> bundles(sources));
            } else {
                Map<String, Path> checkpoints = models.checkpoints();
                String model = command.model() != null
                        ? Models.require(command.model(), checkpoints.keySet(), "asked for")
                        : models.defaultOf(checkpoints.keySet());
                int port = running.isPresent() ? running.get().port() : new Ports().choose(0);
                Map<String, Path> source = Map.of(model, checkpoints.get(model));
                supervisor.up(port, true, () -> bundles(source));
            }
            return supervisor.settings().orElseThrow();
        }
    }

    private boolean allReady() throws IOException, InterruptedException {
        return supervisor.status().stream().allMatch(status -> status.state() == Supervisor.State.READY);
    }

    /** The last one out stops a suite that was started for a question. */
    private void leave() throws IOException, InterruptedException {
        boolean interrupted = Thread.interrupted();
        try (Home.Held held = lock()) {
            askers.leave();
            boolean passing = supervisor.settings().filter(Settings::passing).isPresent();
            if (passing && askers.others().isEmpty()) {
                progress.begin("stopping");
                supervisor.down();
                progress.end("stopping", "stopped");
            }
        }
        if (interrupted) {
            throw new InterruptedException();
        }
    }

    private void prepareCachesInBackground() throws IOException, InterruptedException {
        if (caches.missing().isEmpty()
                || home.read(TRAINER, RunningProgram.class)
                        .flatMap(process -> process.alive(environment.identities()))
                        .isPresent()) {
            return;
        }
        Process process = JavaCommand.start(
                environment.wrappers().background(),
                JavaCommand.launcher(environment.root(), TRAINER),
                environment.variables(),
                home,
                new LogFile(home.log(TRAINER)));
        home.write(TRAINER, RunningProgram.of(process, environment.identities(), 0, 0, ""));
    }

    private int prepareCaches() throws IOException, InterruptedException {
        List<Program> missing = caches.missing();
        if (missing.isEmpty()) {
            return OK;
        }
        String step = "preparing faster starts, once after each build";
        progress.begin(step);
        boolean all = true;
        try (ExecutorService training =
                Executors.newFixedThreadPool(Math.min(missing.size(), environment.aotTrainings()))) {
            List<Callable<Boolean>> runs = new ArrayList<>();
            missing.forEach(program -> runs.add(() -> caches.train(program)));
            List<Future<Boolean>> trained = training.invokeAll(runs);
            for (int i = 0; i < missing.size(); i++) {
                if (!succeeded(trained.get(i))) {
                    all = false;
                    String program = missing.get(i).wireName();
                    progress.line("no start-up cache for " + program + "; see " + home.log("aot-" + program));
                }
            }
        }
        progress.end(step, all ? "done" : "done in part");
        return OK;
    }

    private static boolean succeeded(Future<Boolean> trained) throws IOException, InterruptedException {
        try {
            return trained.get();
        } catch (ExecutionException e) {
            throw e.getCause() instanceof IOException io ? io : new IOException(e.getCause());
        }
    }
}
