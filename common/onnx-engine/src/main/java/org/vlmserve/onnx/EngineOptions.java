package org.vlmserve.onnx;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * How a session uses the machine. What is chosen by the machine where nothing is set, and the test of each choice, stands in
 * docs/processors.md.
 *
 * @param threads threads that compute one call, the calling thread among them; 0 for one per physical core
 * @param spinning whether idle threads burn their core while they wait for the next operator: 13 to 19 % faster, and right
 *     only where the process owns its cores
 * @param int8Weights how 8-bit products are computed; a choice that is wrong on this processor is refused
 * @param cacheDirectory where what depends on the processor is kept for later starts and for other processes; null to keep nothing
 * @param prepack whether weights are arranged for this processor once and kept in {@code cacheDirectory}, so that sessions and
 *     processes map them instead of holding copies of their own; without a directory they are arranged at each start
 * @param processor names the type of processor in the keys of {@code cacheDirectory}; null to read it from the system
 * @param java the command that starts the check of kernels; null for the one that runs this process
 */
public record EngineOptions(
        int threads,
        boolean spinning,
        Int8Weights int8Weights,
        @Nullable Path cacheDirectory,
        boolean prepack,
        @Nullable String processor,
        @Nullable Path java) {

    public EngineOptions {
        if (threads < 0) {
            throw new VlmException(
                    ErrorCode.INVALID_REQUEST,
                    "threads is " + threads + ", expected 0 or more; 0 takes one per physical core");
        }
    }

    /** {@code threads} threads that sleep when idle, and no cache. */
    public static EngineOptions ofThreads(int threads) {
        return new EngineOptions(threads, false, Int8Weights.AUTO, null, true, null, null);
    }

    public EngineOptions withSpinning(boolean value) {
        return new EngineOptions(threads, value, int8Weights, cacheDirectory, prepack, processor, java);
    }

    public EngineOptions withInt8Weights(Int8Weights value) {
        return new EngineOptions(threads, spinning, value, cacheDirectory, prepack, processor, java);
    }

    public EngineOptions withCacheDirectory(@Nullable Path value) {
        return new EngineOptions(threads, spinning, int8Weights, value, prepack, processor, java);
    }

    public EngineOptions withPrepack(boolean value) {
        return new EngineOptions(threads, spinning, int8Weights, cacheDirectory, value, processor, java);
    }

    public EngineOptions withProcessor(@Nullable String value) {
        return new EngineOptions(threads, spinning, int8Weights, cacheDirectory, prepack, value, java);
    }

    public EngineOptions withJava(@Nullable Path value) {
        return new EngineOptions(threads, spinning, int8Weights, cacheDirectory, prepack, processor, value);
    }

    /** What tells this processor from others in the keys of caches. */
    String processorKey() {
        return processor == null ? Processor.description() : processor;
    }
}
