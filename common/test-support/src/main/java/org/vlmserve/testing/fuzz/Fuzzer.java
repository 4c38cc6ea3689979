package org.vlmserve.testing.fuzz;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.LongFunction;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * Gives a reader mutated inputs and fails if one of them makes it throw what it does not promise, refuse without a word, work for too long,
 * or take more memory than its input justifies. An input at fault is written to {@code target/fuzz-failures}, and one that ends the process
 * stays there as {@code READER.at-work}.
 *
 * <p>System properties:
 *
 * <ul>
 *   <li>{@code vlm.fuzz.count}: inputs for each reader, 2,000 unless it is given; a reader may take a share of them
 *   <li>{@code vlm.fuzz.seed}: 1 unless it is given, so that a build without a change gives the same result again
 *   <li>{@code vlm.fuzz.replay}: a file of {@code target/fuzz-failures}, which its reader then gets instead of mutated inputs
 * </ul>
 */
public final class Fuzzer {

    /** What is fuzzed. */
    @FunctionalInterface
    public interface Reader {
        /** @throws Exception a {@link VlmException} with one of the promised codes; any other fails the test */
        void read(byte[] input) throws Exception;
    }

    /**
     * What came of it.
     *
     * @param read inputs that the reader took
     * @param refused inputs that it refused, by error code
     * @param slowest CPU time of the slowest input
     * @param largest bytes allocated for the input that took most
     */
    public record Report(
            String name,
            long seed,
            int inputs,
            int read,
            Map<ErrorCode, Integer> refused,
            Duration slowest,
            long largest) {

        @Override
        public String toString() {
            return "%s: %,d inputs with seed %d: %,d read, %s; slowest %,d ms of CPU, most memory %,d KiB"
                    .formatted(
                            name,
                            inputs,
                            seed,
                            read,
                            refused.isEmpty()
                                    ? "none refused"
                                    : "refused "
                                            + refused.entrySet().stream()
                                                    .map(e -> "%,d as %s".formatted(e.getValue(), e.getKey()))
                                                    .collect(Collectors.joining(", ")),
                            slowest.toMillis(),
                            largest >> 10);
        }
    }

    /**
     * What one input came to.
     *
     * @param thrown null for an input that was read
     * @param excess what bound was passed, or null
     * @param ended whether the reader came to an end
     */
    private record Outcome(
            @Nullable Throwable thrown,
            Duration cpu,
            long allocated,
            @Nullable String excess,
            boolean ended) {}

    /** One input's way through the reader, on a thread of its own, which may never end. */
    private static final class Attempt implements Runnable {

        private final Reader reader;
        private final byte[] input;
        private final Thread thread;
        private volatile @Nullable Throwable thrown;
        private volatile long cpuNanos;
        private volatile long heapBytes;

        Attempt(Reader reader, byte[] input) {
            this.reader = reader;
            this.input = input;
            this.thread = new Thread(null, this, "fuzzed-reader", STACK_BYTES);
            thread.setDaemon(true);
        }

        @Override
        public void run() {
            try {
                reader.read(input);
            } catch (Throwable e) {
                thrown = e;
            }
            heapBytes = THREADS.getCurrentThreadAllocatedBytes();
            cpuNanos = THREADS.getCurrentThreadCpuTime();
        }

        /** On the heap. A thread that has ended has no figures but those that it left. */
        long allocated() {
            return Math.max(heapBytes, THREADS.getThreadAllocatedBytes(thread.threadId()));
        }

        Duration cpu() {
            return Duration.ofNanos(Math.max(cpuNanos, THREADS.getThreadCpuTime(thread.threadId())));
        }
    }

    /** Failures of different kinds after which a run ends. */
    private static final int MOST_FAILURES = 10;

    /** Inputs of which some have to be read and some refused. */
    private static final int ENOUGH_FOR_BOTH = 200;

    private static final int LONGEST_MESSAGE = 2_000;
    private static final int LONGEST_STACK = 40;

    /** What a thread has on 64-bit Linux where nothing else is asked for. */
    private static final int STACK_BYTES = 1 << 20;

    private static final long LOOK_EVERY_MILLIS = 20;

    private static final int DEFAULT_COUNT = 2_000;
    private static final Path FAILURES = Path.of("target", "fuzz-failures");
    private static final Path REPORTS = Path.of("target", "fuzz-reports");

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final BufferPoolMXBean NATIVE_MEMORY =
            ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
                    .filter(pool -> pool.getName().equals("direct"))
                    .findFirst()
                    .orElseThrow();

    private final String name;
    private final Set<ErrorCode> promised;
    private final List<byte[]> corpus = new ArrayList<>();
    private final List<Mutation> mutations = new ArrayList<>();
    private int count = Integer.getInteger("vlm.fuzz.count", DEFAULT_COUNT);
    private long seed = Long.getLong("vlm.fuzz.seed", 1);
    private @Nullable Path replay = path(System.getProperty("vlm.fuzz.replay", ""));
    private Path failures = FAILURES;
    private Path reports = REPORTS;
    private Duration mostCpu = Duration.ofSeconds(20);
    private Duration mostTime = Duration.ofMinutes(2);
    private long baseMemory = 16 << 20;
    private long memoryFactor = 64;

    private Fuzzer(String name, Set<ErrorCode> promised) {
        this.name = name;
        this.promised = promised;
    }

    private static @Nullable Path path(String named) {
        return named.isEmpty() ? null : Path.of(named);
    }

    /**
     * @param name of the reader, for files: small letters, digits and hyphens
     * @param promised codes of the {@link VlmException}s that the reader may refuse an input with
     */
    public static Fuzzer of(String name, ErrorCode... promised) {
        if (!name.matches("[a-z0-9-]+")) {
            throw new IllegalArgumentException(
                    "a reader is called '" + name + "'; expected small letters, digits and hyphens");
        }
        return new Fuzzer(name, Set.of(promised));
    }

    /** Adds inputs to start from. */
    public Fuzzer from(List<byte[]> inputs) {
        corpus.addAll(inputs);
        return this;
    }

    /** Adds ways to change them; a list that is added twice is drawn from twice as often. */
    public Fuzzer by(List<Mutation> more) {
        mutations.addAll(more);
        return this;
    }

    /** Takes one {@code share}th of the number of inputs, for a reader that is slow. */
    public Fuzzer oneIn(int share) {
        count = Math.max(1, count / share);
        return this;
    }

    /**
     * Bounds an input's work. CPU time, of the thread that reads, does not depend on what else the machine does; a reader that waits for
     * ever uses none, so the time on the clock has a bound too.
     */
    public Fuzzer time(Duration mostOfCpu, Duration mostOnTheClock) {
        mostCpu = mostOfCpu;
        mostTime = mostOnTheClock;
        return this;
    }

    /**
     * Bounds what is allocated for an input of n bytes, freed again or not: {@code base} + {@code factor}·n bytes. Counted are the heap, by
     * the thread that reads, and native memory, by all.
     */
    public Fuzzer memory(long base, long factor) {
        baseMemory = base;
        memoryFactor = factor;
        return this;
    }

    /** Settings in place of the system properties, for the tests of this class. */
    Fuzzer with(int inputs, long newSeed, Path directory, @Nullable Path replayed) {
        count = inputs;
        seed = newSeed;
        failures = directory;
        reports = directory;
        replay = replayed;
        return this;
    }

    /**
     * Runs, and writes the report to {@code target/fuzz-reports}.
     *
     * @throws AssertionError for inputs that made the reader do what it must not, with seed, index and file of each; or if none was read or
     *     none refused
     */
    public Report run(Reader reader) {
        boolean replayed = replay != null && replay.getFileName().toString().startsWith(name + ".");
        Report report = replayed
                ? run(1, index -> bytes(Objects.requireNonNull(replay)), reader)
                : run(count, new Mutator(corpus, mutations, seed)::input, reader);
        if (report.inputs() >= ENOUGH_FOR_BOTH
                && (report.read() == 0 || report.refused().isEmpty())) {
            throw new AssertionError(
                    report + "; expected inputs of both kinds, or the mutations miss what they are for");
        }
        try {
            Files.createDirectories(reports);
            Files.writeString(reports.resolve(name + ".txt"), report + "\n");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return report;
    }

    private Report run(int inputs, LongFunction<byte[]> input, Reader reader) {
        Map<ErrorCode, Integer> refused = new TreeMap<>();
        Map<String, String> faults = new LinkedHashMap<>();
        Duration slowest = Duration.ZERO;
        long largest = 0;
        int read = 0;
        boolean running = true;
        // What native code ends, with the process, leaves its input here.
        Path atWork = failures.resolve(name + ".at-work");
        for (int index = 0; index < inputs && running && faults.size() < MOST_FAILURES; index++) {
            byte[] one = input.apply(index);
            write(atWork, one);
            Outcome outcome = attempt(one, reader);
            String fault = fault(outcome);
            if (fault != null) {
                String kind = kind(outcome);
                if (!faults.containsKey(kind)) {
                    faults.put(kind, "input " + index + ": " + fault + "\n    kept as " + keep(one, index));
                }
                running = outcome.ended();
            } else if (outcome.thrown() instanceof VlmException e) {
                refused.merge(e.code(), 1, Integer::sum);
            } else {
                read++;
            }
            slowest = outcome.cpu().compareTo(slowest) > 0 ? outcome.cpu() : slowest;
            largest = Math.max(largest, outcome.allocated());
        }
        delete(atWork);
        if (!faults.isEmpty()) {
            throw new AssertionError(name + ", seed " + seed + ": " + faults.size()
                    + " kinds of fault (again with -Dvlm.fuzz.replay=FILE)\n" + String.join("\n", faults.values()));
        }
        return new Report(name, seed, inputs, read, refused, slowest, largest);
    }

    private Outcome attempt(byte[] input, Reader reader) {
        long nativeBefore = NATIVE_MEMORY.getTotalCapacity();
        long most = baseMemory + memoryFactor * input.length;
        long start = System.nanoTime();
        Attempt attempt = new Attempt(reader, input);
        attempt.thread.start();
        while (true) {
            boolean ended = ended(attempt.thread);
            long taken = attempt.allocated() + Math.max(0, NATIVE_MEMORY.getTotalCapacity() - nativeBefore);
            Duration clock = Duration.ofNanos(System.nanoTime() - start);
            String excess = taken > most
                    ? "allocated %,d bytes for an input of %,d, expected at most %,d"
                            .formatted(taken, input.length, most)
                    : attempt.cpu().compareTo(mostCpu) > 0
                            ? "worked for " + attempt.cpu().toMillis() + " ms, expected at most " + mostCpu.toMillis()
                            : !ended && clock.compareTo(mostTime) > 0
                                    ? "did not end within " + mostTime.toMillis() + " ms"
                                    : null;
            if (excess != null && !ended) {
                excess += "\n" + stack(attempt.thread.getStackTrace());
                attempt.thread.interrupt();
            }
            if (excess != null || ended) {
                return new Outcome(attempt.thrown, attempt.cpu(), taken, excess, ended);
            }
        }
    }

    private static boolean ended(Thread thread) {
        try {
            return thread.join(Duration.ofMillis(LOOK_EVERY_MILLIS));
        } catch (InterruptedException e) {
            throw new IllegalStateException("interrupted while a reader was watched", e);
        }
    }

    /** What is wrong with an outcome, or null. */
    private @Nullable String fault(Outcome outcome) {
        if (outcome.excess() != null) {
            return outcome.excess();
        }
        if (outcome.thrown() == null) {
            return null;
        }
        if (!(outcome.thrown() instanceof VlmException refusal)) {
            return "threw " + trace(outcome.thrown());
        }
        if (!promised.contains(refusal.code())) {
            return "refused with " + refusal.code() + ", expected one of " + promised + ": " + trace(refusal);
        }
        return String.valueOf(refusal.getMessage()).isBlank() ? "refused without a word: " + trace(refusal) : null;
    }

    /** Faults with one of these in common are one fault. */
    private static String kind(Outcome outcome) {
        Throwable thrown = outcome.thrown();
        if (outcome.excess() != null || thrown == null) {
            return "excess";
        }
        return thrown.getClass().getName()
                + Arrays.stream(thrown.getStackTrace())
                        .filter(frame -> frame.getClassName().startsWith("org.vlmserve."))
                        .findFirst()
                        .map(StackTraceElement::toString)
                        .orElse("");
    }

    private static String trace(Throwable thrown) {
        String message = String.valueOf(thrown.getMessage());
        String cut = message.length() > LONGEST_MESSAGE ? message.substring(0, 200) + " …" : message;
        return thrown.getClass().getName() + ": " + cut + "\n" + stack(thrown.getStackTrace());
    }

    private static String stack(StackTraceElement[] frames) {
        return Arrays.stream(frames)
                .limit(LONGEST_STACK)
                .map(frame -> "        at " + frame)
                .collect(Collectors.joining("\n"));
    }

    private Path keep(byte[] input, int index) {
        return write(failures.resolve(name + ".seed-" + seed + ".input-" + index), input)
                .toAbsolutePath();
    }

    private Path write(Path file, byte[] input) {
        try {
            Files.createDirectories(failures);
            return Files.write(file, input);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void delete(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static byte[] bytes(Path file) {
        try {
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
