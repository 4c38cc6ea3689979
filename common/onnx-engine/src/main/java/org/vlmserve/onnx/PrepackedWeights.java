package org.vlmserve.onnx;

import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * Graphs whose weights are already arranged for this processor. A session over the original holds a private copy of every weight that
 * a kernel wants arranged otherwise; over such a graph it maps the file, which sessions and processes then share. The arrangement
 * fits one type of processor and one version of ONNX Runtime, so an entry is kept under both, with the graph and its weights' size and
 * age. An entry appears whole, by a rename; of two processes that make the same one, either's serves.
 */
final class PrepackedWeights {

    private static final String GRAPH = "graph.onnx";

    /** Sets the options that the arranged graph will be loaded with. */
    interface Configuration {
        void apply(OrtSession.SessionOptions options) throws OrtException;
    }

    private PrepackedWeights() {}

    /**
     * The arranged graph for {@code graph}, made now if there is none.
     *
     * @param model the bytes of {@code graph}
     * @throws VlmException {@code DISK_FULL} if the cache cannot be written
     */
    static Path prepare(Path graph, byte[] model, Path cacheDirectory, Configuration configuration)
            throws OrtException {
        try {
            Path entry = cacheDirectory.resolve(key(graph, model));
            if (Files.exists(entry.resolve(GRAPH))) {
                return entry.resolve(GRAPH);
            }
            Files.createDirectories(cacheDirectory);
            Path partial = Files.createTempDirectory(cacheDirectory, "partial-");
            try {
                try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
                    configuration.apply(options);
                    options.setOptimizedModelFilePath(partial.resolve(GRAPH).toString());
                    options.addConfigEntry("session.save_external_prepacked_constant_initializers", "1");
                    options.addConfigEntry(
                            "session.optimized_model_external_initializers_file_name", GraphContract.WEIGHTS);
                    options.addConfigEntry("session.optimized_model_external_initializers_min_size_in_bytes", "1024");
                    Sessions.environment()
                            .createSession(graph.toString(), options)
                            .close();
                }
                if (!Files.exists(entry)) {
                    Files.move(partial, entry, StandardCopyOption.ATOMIC_MOVE);
                }
            } finally {
                delete(partial);
            }
            return entry.resolve(GRAPH);
        } catch (IOException e) {
            throw new VlmException(
                    ErrorCode.DISK_FULL,
                    "the cache directory " + cacheDirectory + " cannot be written (" + e
                            + "); make room, or run without a cache directory",
                    e);
        }
    }

    private static String key(Path graph, byte[] model) throws IOException {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
        digest.update(model);
        Path weights = graph.resolveSibling(GraphContract.WEIGHTS);
        if (Files.exists(weights)) {
            digest.update(text(Files.size(weights) + " "
                    + Files.getLastModifiedTime(weights).toMillis()));
        }
        digest.update(text(Sessions.environment().getVersion() + " " + processor()));
        return HexFormat.of().formatHex(digest.digest(), 0, 16);
    }

    /** What tells types of processor apart: on Linux its name and its instructions. */
    private static String processor() throws IOException {
        String arch = System.getProperty("os.name") + " " + System.getProperty("os.arch");
        Path cpuinfo = Path.of("/proc/cpuinfo");
        if (!Files.exists(cpuinfo)) {
            return arch;
        }
        try (Stream<String> lines = Files.lines(cpuinfo)) {
            List<String> telling = lines.filter(line -> line.startsWith("model name")
                            || line.startsWith("flags")
                            || line.startsWith("Features")
                            || line.startsWith("CPU part"))
                    .distinct()
                    .toList();
            return arch + telling;
        }
    }

    private static byte[] text(String value) {
        return value.getBytes(StandardCharsets.UTF_8);
    }

    private static void delete(Path directory) throws IOException {
        if (!Files.exists(directory)) {
            return;
        }
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(directory);
    }
}
