package org.vlmserve.gateway.http;

import io.github.resilience4j.bulkhead.Bulkhead;
import io.github.resilience4j.bulkhead.BulkheadConfig;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.vlmserve.gateway.config.AdmissionConfig;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * Bounds what is in flight, in requests and in bytes. What does not fit is refused at once, never queued. A request counts from when its body has come, bytes
 * count as they come: whoever only declares a body holds nothing.
 */
public final class Admission {

    private final int maxRequests;
    private final long maxBytes;
    private final Bulkhead requests;
    private final AtomicLong bytes = new AtomicLong();

    public Admission(AdmissionConfig config) {
        this.maxRequests = config.maxRequests();
        this.maxBytes = config.maxBytes().toBytes();
        this.requests = Bulkhead.of(
                "requests",
                BulkheadConfig.custom()
                        .maxConcurrentCalls(maxRequests)
                        .maxWaitDuration(Duration.ZERO)
                        .build());
    }

    /**
     * A request whose header has come.
     *
     * @throws VlmException {@code OVERLOADED}, if it could not be admitted now
     */
    public Ticket open() {
        if (requests.getMetrics().getAvailableConcurrentCalls() == 0) {
            throw full();
        }
        return new Ticket();
    }

    private VlmException full() {
        return new VlmException(
                ErrorCode.OVERLOADED, maxRequests + " requests are in flight, which is the limit; try again later");
    }

    public int requestsInFlight() {
        return maxRequests - requests.getMetrics().getAvailableConcurrentCalls();
    }

    public long bytesInFlight() {
        return bytes.get();
    }

    /** One request and the bytes that it holds; closing gives all of it back. Thread-safe. */
    public final class Ticket implements MemoryBudget, AutoCloseable {

        // Guarded by this.
        private long held;
        private boolean admitted;
        private boolean closed;

        private Ticket() {}

        /**
         * To be called once the body has come.
         *
         * @throws VlmException {@code OVERLOADED}
         */
        public synchronized void admit() {
            if (closed || admitted) {
                return;
            }
            if (!requests.tryAcquirePermission()) {
                throw full();
            }
            admitted = true;
        }

        @Override
        public synchronized void reserve(long amount) {
            if (closed) {
                return;
            }
            if (held + amount > maxBytes) {
                throw new VlmException(
                        ErrorCode.REQUEST_TOO_LARGE,
                        "the request would hold " + (held + amount) + " bytes, all requests together may hold "
                                + maxBytes + "; send fewer or smaller pictures, or ask for fewer log-probabilities");
            }
            long all = bytes.addAndGet(amount);
            if (all > maxBytes) {
                bytes.addAndGet(-amount);
                throw new VlmException(
                        ErrorCode.OVERLOADED,
                        "requests in flight hold " + (all - amount) + " bytes of at most " + maxBytes + ", another "
                                + amount + " do not fit; try again later");
            }
            held += amount;
        }

        @Override
        public synchronized void release(long amount) {
            if (!closed) {
                held -= amount;
                bytes.addAndGet(-amount);
            }
        }

        @Override
        public synchronized void close() {
            if (closed) {
                return;
            }
            closed = true;
            if (admitted) {
                requests.onComplete();
            }
            bytes.addAndGet(-held);
        }
    }
}
