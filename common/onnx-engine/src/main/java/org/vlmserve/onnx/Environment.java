package org.vlmserve.onnx;

import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtLoggingLevel;
import java.util.concurrent.CompletableFuture;

/**
 * Creates ONNX Runtime's environment, on a thread with a large stack.
 *
 * <p>At creation the native library matches regular expressions against strings of the process's surroundings, its command line among
 * them, with a matcher that recurses for each character. A long class path on the command line overflowed the one megabyte
 * of a Java thread, and the process died of SIGSEGV without a word (seen with 1.29 and about 12,000 frames).
 */
final class Environment {

    /** Reserved, not used: room for the longest command line that Linux takes. */
    private static final long STACK_BYTES = 512L << 20;

    private Environment() {}

    static OrtEnvironment create() {
        CompletableFuture<OrtEnvironment> created = new CompletableFuture<>();
        Thread creator = new Thread(
                null,
                () -> {
                    try {
                        created.complete(OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_WARNING));
                    } catch (RuntimeException | Error e) {
                        created.completeExceptionally(e);
                    }
                },
                "onnx-environment",
                STACK_BYTES);
        creator.start();
        return created.join();
    }
}
