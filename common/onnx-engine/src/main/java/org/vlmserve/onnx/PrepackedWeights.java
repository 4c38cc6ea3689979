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
     * @param arrangement what the result depends on beside graph, weights and version: the processor, and options that change weights
     * @throws VlmException {@code DISK_FULL} if the cache cannot be written
     */
    static Path prepare(Path graph, byte[] model, Path cacheDirectory, String arrangement, Configuration configuration)
            throws OrtException {
        try {
            Path entry = cacheDirectory.resolve(key(graph, model, arrangement));
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
                publish(partial, entry);
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

    /** Of several processes that make an entry, the first to rename its own wins, and the others use that one. */
    private static void publish(Path partial, Path entry) throws IOException {
        try {
            Files.move(partial, entry, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            if (!Files.exists(entry.resolve(GRAPH))) {
                throw e;
            }
        }
    }

    private static String key(Path graph, byte[] model, String arrangement) throws IOException {
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
        digest.update(text(Sessions.environment().getVersion() + " " + arrangement));
        return HexFormat.of().formatHex(digest.digest(), 0, 16);
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
