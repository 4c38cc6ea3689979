package org.vlmserve.onnx;

import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vlmserve.onnx.KernelCheck.Verdict;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * Which kernels compute rightly on this processor, and what a session needs because of it.
 *
 * <p>The kernels are checked in a child process, because one that this processor cannot run ends its process. The findings are kept for
 * the life of this one, and in the cache directory under processor and version of ONNX Runtime for those to come.
 */
final class Kernels {

    private static final Logger LOG = LoggerFactory.getLogger(Kernels.class);

    /** A check takes a second; under an emulator, ten. */
    private static final Duration LIMIT = Duration.ofMinutes(3);

    /** The exit code of a JVM whose main method threw. */
    private static final int UNCAUGHT = 1;

    /** What a shell adds to the number of the signal that ended a process. */
    private static final int SIGNALLED = 128;

    /** SIGINT, SIGKILL, SIGTERM: somebody ended the child, which says nothing about the kernel. */
    private static final Set<Integer> ENDED_BY_OTHERS = Set.of(SIGNALLED + 2, SIGNALLED + 9, SIGNALLED + 15);

    private static final Map<String, Map<Kernel, Verdict>> KNOWN = new ConcurrentHashMap<>();

    /** What a child said, and whether a later one would say the same. */
    private record Findings(Map<Kernel, Verdict> verdicts, boolean lasting) {}

    private Kernels() {}

    /**
     * Whether sessions over a graph rewrite row-wise weights to unsigned bytes.
     *
     * @param graph named in errors
     * @param products that it asks for
     * @throws VlmException {@code PROCESSOR_UNSUPPORTED} where a kernel that the graph asks for is wrong on this processor,
     *     {@code INTERNAL} if the check cannot be started
     */
    static boolean unsignedWeights(Path graph, Set<GraphContract.Product> products, EngineOptions options) {
        if (products.isEmpty()) {
            return false;
        }
        Map<Kernel, Verdict> verdicts = verdicts(options);
        if (products.contains(GraphContract.Product.BLOCK_INT8)) {
            require(graph, verdicts, Kernel.BLOCK_INT8, "fp32");
        }
        if (products.contains(GraphContract.Product.BLOCK_INT4)) {
            require(graph, verdicts, Kernel.BLOCK_INT4, "int8 or fp32");
        }
        if (!products.contains(GraphContract.Product.ROWWISE_INT8)) {
            return false;
        }
        return switch (options.int8Weights()) {
            case SIGNED -> {
                require(graph, verdicts, Kernel.ROWWISE_SIGNED, "fp32, or leave vlm.engine.int8-weights at auto");
                yield false;
            }
            case UNSIGNED -> {
                require(graph, verdicts, Kernel.ROWWISE_UNSIGNED, "fp32, or leave vlm.engine.int8-weights at auto");
                yield true;
            }
            case AUTO -> {
                boolean unsigned = verdicts.get(Kernel.ROWWISE_SIGNED) != Verdict.RIGHT;
                if (unsigned) {
                    require(graph, verdicts, Kernel.ROWWISE_UNSIGNED, "fp32");
                }
                yield unsigned;
            }
        };
    }

    static void configure(OrtSession.SessionOptions session, boolean unsignedWeights) throws OrtException {
        if (unsignedWeights) {
            session.addConfigEntry(Kernel.UNSIGNED_WEIGHTS, "1");
        }
    }

    private static void require(Path graph, Map<Kernel, Verdict> verdicts, Kernel kernel, String instead) {
        Verdict verdict = Objects.requireNonNull(verdicts.get(kernel));
        if (verdict != Verdict.RIGHT) {
            throw new VlmException(
                    ErrorCode.PROCESSOR_UNSUPPORTED,
                    graph + " cannot be served on this processor: its kernel " + kernel
                            + (verdict == Verdict.WRONG ? " computes wrong products" : " ends the process")
                            + " here; import the checkpoint with --precision " + instead);
        }
    }

    /** The verdict on each kernel, found out now if nothing is known of this processor. */
    static Map<Kernel, Verdict> verdicts(EngineOptions options) {
        String key = key(options);
        Map<Kernel, Verdict> known = KNOWN.get(key);
        if (known != null) {
            return known;
        }
        synchronized (Kernels.class) {
            return KNOWN.computeIfAbsent(key, absent -> find(key, options));
        }
    }

    /** Forgets what this process knows, for tests of what is kept. */
    static void forget() {
        KNOWN.clear();
    }

    private static Map<Kernel, Verdict> find(String key, EngineOptions options) {
        Path directory = options.cacheDirectory();
        Path file = directory == null ? null : directory.resolve("kernels-" + key + ".txt");
        Map<Kernel, Verdict> kept = file == null ? null : read(file);
        if (kept != null) {
            return kept;
        }
        Path java = options.java();
        Findings findings = check(java == null ? ownJava() : java, System.getProperty("java.class.path"));
        if (findings.verdicts().containsValue(Verdict.WRONG)) {
            LOG.info("kernels on this processor: {}", findings.verdicts());
        }
        if (file != null && findings.lasting()) {
            keep(file, findings.verdicts());
        }
        return findings.verdicts();
    }

    /** Runs children until each kernel has its verdict: one that ends a child has none of its own, and the next child goes on behind it. */
    private static Findings check(Path java, String classPath) {
        Map<Kernel, Verdict> verdicts = new EnumMap<>(Kernel.class);
        boolean lasting = true;
        while (verdicts.size() < Kernel.values().length) {
            List<Kernel> open = Arrays.stream(Kernel.values())
                    .filter(kernel -> !verdicts.containsKey(kernel))
                    .toList();
            int code = runChild(java, classPath, open, verdicts);
            if (verdicts.size() < Kernel.values().length) {
                Kernel culprit = open.stream()
                        .filter(kernel -> !verdicts.containsKey(kernel))
                        .findFirst()
                        .orElseThrow();
                LOG.warn("the check of kernel {} ended with exit code {}", culprit, code);
                verdicts.put(culprit, Verdict.CRASHED);
                lasting &= !ENDED_BY_OTHERS.contains(code);
            }
        }
        return new Findings(Map.copyOf(verdicts), lasting);
    }

    /** @return the child's exit code: 0, or that of a crash */
    private static int runChild(Path java, String classPath, List<Kernel> kernels, Map<Kernel, Verdict> verdicts) {
        List<String> command = new ArrayList<>(List.of(
                java.toString(),
                "-Xmx128m",
                "-Xshare:auto",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-XX:-CreateCoredumpOnCrash",
                "--enable-native-access=ALL-UNNAMED"));
        Path directory = null;
        try {
            directory = Files.createTempDirectory("kernel-check-");
            command.add("-XX:ErrorFile=" + directory.resolve("crash.log"));
            command.add(KernelCheck.class.getName());
            kernels.forEach(kernel -> command.add(kernel.name()));
            Path output = directory.resolve("output.log");
            ProcessBuilder builder =
                    new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output.toFile());
            // Options that are meant for this process, such as an agent's port, are not for its child.
            List.of("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS").forEach(builder.environment()::remove);
            builder.environment().put("CLASSPATH", absolute(classPath));
            Process child = builder.start();
            child.getOutputStream().close();
            boolean ended;
            try {
                ended = child.waitFor(LIMIT.toMillis(), TimeUnit.MILLISECONDS);
            } finally {
                child.destroyForcibly();
            }
            List<String> lines = Files.readAllLines(output, StandardCharsets.ISO_8859_1);
            Map<Kernel, Verdict> said = parse(lines);
            said.keySet().retainAll(kernels);
            verdicts.putAll(said);
            int code = ended ? child.exitValue() : SIGNALLED + 9;
            boolean complete = verdicts.keySet().containsAll(kernels);
            if (code == UNCAUGHT || code == 0 && !complete) {
                throw cannotCheck(java, "it ended with exit code " + code + ": " + String.join(" | ", lines), null);
            }
            return code;
        } catch (IOException e) {
            throw cannotCheck(java, String.valueOf(e.getMessage()), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw cannotCheck(java, "interrupted", e);
        } finally {
            deleteQuietly(directory);
        }
    }

    private static VlmException cannotCheck(Path java, String why, @Nullable Exception cause) {
        return new VlmException(
                ErrorCode.INTERNAL,
                "the kernels cannot be checked with " + java + " (" + why
                        + "); hint: vlm.engine.java names the java command of a JDK 25",
                cause);
    }

    /** Class paths may be relative, and the child should not depend on where it starts. */
    private static String absolute(String classPath) {
        return String.join(
                File.pathSeparator,
                Arrays.stream(classPath.split(File.pathSeparator, -1))
                        .map(entry -> Path.of(entry).toAbsolutePath().toString())
                        .toList());
    }

    /** The command that runs this process, unless the system property says that it is started by another. */
    private static Path ownJava() {
        String named = System.getProperty("vlm.engine.java");
        return named == null ? Path.of(System.getProperty("java.home"), "bin", "java") : Path.of(named);
    }

    private static Map<Kernel, Verdict> parse(List<String> lines) {
        Map<Kernel, Verdict> verdicts = new EnumMap<>(Kernel.class);
        for (Kernel kernel : Kernel.values()) {
            for (Verdict verdict : Verdict.values()) {
                if (lines.contains(KernelCheck.line(kernel, verdict))) {
                    verdicts.put(kernel, verdict);
                }
            }
        }
        return verdicts;
    }

    private static @Nullable Map<Kernel, Verdict> read(Path file) {
        try {
            Map<Kernel, Verdict> verdicts = parse(Files.readAllLines(file));
            return verdicts.size() == Kernel.values().length ? Map.copyOf(verdicts) : null;
        } catch (NoSuchFileException e) {
            return null;
        } catch (IOException e) {
            LOG.warn("{} cannot be read ({}); the kernels are checked again", file, e.toString());
            return null;
        }
    }

    /** What is not kept is found out again, so a directory that cannot be written costs time and nothing else. */
    private static void keep(Path file, Map<Kernel, Verdict> verdicts) {
        Path directory = Objects.requireNonNull(file.getParent());
        List<String> lines = verdicts.entrySet().stream()
                .map(entry -> KernelCheck.line(entry.getKey(), entry.getValue()))
                .sorted()
                .toList();
        try {
            Files.createDirectories(directory);
            Path partial = Files.createTempFile(directory, "kernels-", ".partial");
            Files.write(partial, lines);
            Files.move(partial, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            LOG.warn("{} cannot be written ({}); the next start checks the kernels again", file, e.toString());
        }
    }

    private static String key(EngineOptions options) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update(options.processorKey().getBytes(StandardCharsets.UTF_8));
            digest.update((byte) 0);
            digest.update(Sessions.environment().getVersion().getBytes(StandardCharsets.UTF_8));
            for (Kernel kernel : Kernel.values()) {
                digest.update(kernel.model());
            }
            return HexFormat.of().formatHex(digest.digest(), 0, 16);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    private static void deleteQuietly(@Nullable Path directory) {
        if (directory == null) {
            return;
        }
        try (var files = Files.list(directory)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
            Files.delete(directory);
        } catch (IOException e) {
            LOG.debug("{} stays: {}", directory, e.toString());
        }
    }
}
