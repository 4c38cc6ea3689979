package org.vlmserve.gateway.http;

import io.github.resilience4j.bulkhead.Bulkhead;
import io.github.resilience4j.bulkhead.BulkheadConfig;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.vlmserve.gateway.config.AdmissionConfig;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** Bounds what is in flight, in requests and in bytes. What does not fit is refused at once, never queued. */
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

    /** @throws VlmException {@code OVERLOADED} */
    public Ticket admit() {
        if (!requests.tryAcquirePermission()) {
            throw new VlmException(
                    ErrorCode.OVERLOADED, maxRequests + " requests are in flight, which is the limit; try again later");
        }
        return new Ticket();
    }

    public int requestsInFlight() {
        return maxRequests - requests.getMetrics().getAvailableConcurrentCalls();
    }

    public long bytesInFlight() {
        return bytes.get();
    }

    /** One admitted request and the bytes that it holds; closing gives all of it back. Thread-safe. */
    public final class Ticket implements AutoCloseable {

        private final AtomicLong held = new AtomicLong();
        private final AtomicBoolean closed = new AtomicBoolean();

        private Ticket() {}

        /**
         * To be called before the bytes are kept.
         *
         * @throws VlmException {@code OVERLOADED}
         */
        public void reserve(long amount) {
            if (bytes.addAndGet(amount) > maxBytes) {
                bytes.addAndGet(-amount);
                throw new VlmException(
                        ErrorCode.OVERLOADED,
                        "requests in flight hold " + bytes.get() + " bytes of at most " + maxBytes + ", another "
                                + amount + " do not fit; try again later");
            }
            held.addAndGet(amount);
            if (closed.get()) {
                bytes.addAndGet(-held.getAndSet(0));
            }
        }

        @Override
        public void close() {
            if (closed.compareAndSet(false, true)) {
                requests.onComplete();
                bytes.addAndGet(-held.getAndSet(0));
            }
        }
    }
}
