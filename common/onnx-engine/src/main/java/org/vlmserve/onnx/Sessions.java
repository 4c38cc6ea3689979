package org.vlmserve.onnx;

import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * Builds sessions. The end of the process waits for a session that is being built, and none is begun after it: a library that
 * unloads under a build takes the process down with it.
 */
final class Sessions {

    private static final Logger LOG = LoggerFactory.getLogger(Sessions.class);

    private static final OrtEnvironment ENVIRONMENT = Environment.create();

    /** Builds hold the read side; the end of the process takes the write side and keeps it. */
    private static final ReentrantReadWriteLock BUILDING = new ReentrantReadWriteLock();

    /** Turns new builds away while the end waits for those under way: a reader may pass a waiting writer. */
    private static volatile boolean ending;

    static {
        if (!EnvironmentPin.pin()) {
            LOG.warn(
                    "ONNX Runtime's environment cannot be pinned: ending the process while a model loads may crash it");
        }
        Runtime.getRuntime().addShutdownHook(new Thread(Sessions::awaitBuilds, "onnx-await-builds"));
    }

    private Sessions() {}

    static OrtEnvironment environment() {
        return ENVIRONMENT;
    }

    /**
     * @throws VlmException {@code BUNDLE_CORRUPT} for a graph or weights that cannot be read, {@code PROCESSOR_UNSUPPORTED} for a
     *     graph that this processor computes wrongly, {@code STAGE_UNAVAILABLE} when the process is ending
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
        // Before the exclusive part: a check takes a child process, for which the end of this one need not wait.
        boolean unsigned = Kernels.unsignedWeights(graph, GraphContract.Product.in(model), options);
        return exclusive(() -> {
            try {
                Path cacheDirectory = options.prepack() ? options.cacheDirectory() : null;
                Path ready = cacheDirectory == null
                        ? graph
                        : PrepackedWeights.prepare(
                                graph,
                                model,
                                cacheDirectory,
                                options.processorKey() + (unsigned ? " unsigned" : " signed"),
                                saving -> configure(saving, options, unsigned));
                try (OrtSession.SessionOptions session = new OrtSession.SessionOptions()) {
                    configure(session, options, unsigned);
                    return ENVIRONMENT.createSession(ready.toString(), session);
                }
            } catch (OrtException e) {
                throw refused(graph, e);
            }
        });
    }

    /**
     * A session over a graph in memory; nothing of it is kept in the cache directory.
     *
     * @param place names the graph in errors; its external weights lie beside it
     * @throws VlmException as the other
     */
    static OrtSession build(byte[] model, Path place, EngineOptions options) {
        boolean unsigned = Kernels.unsignedWeights(place, GraphContract.Product.in(model), options);
        return exclusive(() -> {
            try (OrtSession.SessionOptions session = new OrtSession.SessionOptions()) {
                configure(session, options, unsigned);
                Path folder = place.toAbsolutePath().getParent();
                if (folder != null) {
                    session.addConfigEntry("session.model_external_initializers_file_folder_path", folder.toString());
                }
                return ENVIRONMENT.createSession(model, session);
            } catch (OrtException e) {
                throw refused(place, e);
            }
        });
    }

    private static VlmException refused(Path graph, OrtException e) {
        return new VlmException(
                ErrorCode.BUNDLE_CORRUPT,
                "ONNX Runtime refuses " + graph + ": " + e.getMessage()
                        + "; import the checkpoint again with this version",
                e);
    }

    private static void configure(OrtSession.SessionOptions session, EngineOptions options, boolean unsigned)
            throws OrtException {
        session.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.ALL_OPT);
        if (options.threads() > 0) {
            session.setIntraOpNumThreads(options.threads());
        }
        session.addConfigEntry("session.intra_op.allow_spinning", options.spinning() ? "1" : "0");
        Kernels.configure(session, unsigned);
    }

    /** Runs {@code build} unless the process is ending; the end of the process waits for it. */
    static <T> T exclusive(Supplier<T> build) {
        boolean allowed = BUILDING.readLock().tryLock();
        if (allowed && ending) {
            BUILDING.readLock().unlock();
            allowed = false;
        }
        if (!allowed) {
            throw new VlmException(ErrorCode.STAGE_UNAVAILABLE, "the process is ending; no session is built any more");
        }
        try {
            return build.get();
        } finally {
            BUILDING.readLock().unlock();
        }
    }

    private static void awaitBuilds() {
        ending = true;
        BUILDING.writeLock().lock();
    }
}
