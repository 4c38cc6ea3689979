package org.vlmserve.onnx;

import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Supplier;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * Builds sessions. The end of the process waits for a session that is being built, and none is begun after it: ONNX
 * Runtime's environment is released by a hook of its own, and a build that runs into that takes the process down.
 */
final class Sessions {

    private static final OrtEnvironment ENVIRONMENT =
            OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_WARNING);

    /** Builds hold the read side; the end of the process takes the write side and keeps it. */
    private static final ReentrantReadWriteLock BUILDING = new ReentrantReadWriteLock();

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(BUILDING.writeLock()::lock, "onnx-await-builds"));
    }

    private Sessions() {}

    static OrtEnvironment environment() {
        return ENVIRONMENT;
    }

    /**
     * @throws VlmException {@code BUNDLE_CORRUPT} for a graph or weights that cannot be read, {@code STAGE_UNAVAILABLE} when
     *     the process is ending
     */
    static OrtSession build(Path graph, EngineOptions options) {
        byte[] model;
        try {
            model = Files.readAllBytes(graph);
        } catch (IOException e) {
            throw new VlmException(
                    ErrorCode.BUNDLE_CORRUPT,
                    "cannot read " + graph + " (" + e.getMessage() + "), expected a graph; import the checkpoint again",
                    e);
        }
        boolean rowwise = contains(model, RowwiseInt8Check.OPERATOR);
        return exclusive(() -> {
            try (OrtSession.SessionOptions session = new OrtSession.SessionOptions()) {
                session.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.ALL_OPT);
                if (options.threads() > 0) {
                    session.setIntraOpNumThreads(options.threads());
                }
                session.addConfigEntry("session.intra_op.allow_spinning", options.spinning() ? "1" : "0");
                if (rowwise) {
                    RowwiseInt8Check.configure(session);
                }
                return ENVIRONMENT.createSession(graph.toString(), session);
            } catch (OrtException e) {
                throw new VlmException(
                        ErrorCode.BUNDLE_CORRUPT,
                        "ONNX Runtime refuses " + graph + ": " + e.getMessage()
                                + "; import the checkpoint again with this version",
                        e);
            }
        });
    }

    /** Runs {@code build} unless the process is ending; the end of the process waits for it. */
    static <T> T exclusive(Supplier<T> build) {
        if (!BUILDING.readLock().tryLock()) {
            throw new VlmException(ErrorCode.STAGE_UNAVAILABLE, "the process is ending; no session is built any more");
        }
        try {
            return build.get();
        } finally {
            BUILDING.readLock().unlock();
        }
    }

    private static boolean contains(byte[] model, String operator) {
        return new String(model, StandardCharsets.ISO_8859_1).contains(operator);
    }
}
