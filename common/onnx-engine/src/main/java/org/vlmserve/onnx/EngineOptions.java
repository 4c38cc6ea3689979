package org.vlmserve.onnx;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * How a session uses the machine.
 *
 * @param threads threads that compute one call, the calling thread among them; 0 for one per physical core
 * @param spinning whether idle threads burn their core while they wait for the next operator: 13 to 19 % faster, and right
 *     only where the process owns its cores
 * @param cacheDirectory where weights that were rearranged for this processor are kept, so that later sessions and other
 *     processes map them instead of holding copies of their own; null to rearrange at each start
 */
public record EngineOptions(
        int threads, boolean spinning, @Nullable Path cacheDirectory) {

    public EngineOptions {
        if (threads < 0) {
            throw new VlmException(
                    ErrorCode.INVALID_REQUEST,
                    "threads is " + threads + ", expected 0 or more; 0 takes one per physical core");
        }
    }

    /** {@code threads} threads that sleep when idle, and no cache. */
    public static EngineOptions ofThreads(int threads) {
        return new EngineOptions(threads, false, null);
    }
}
