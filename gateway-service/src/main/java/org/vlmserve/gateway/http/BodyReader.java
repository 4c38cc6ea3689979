package org.vlmserve.gateway.http;

import java.io.IOException;
import java.time.Duration;
import java.util.EnumSet;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.springframework.core.io.buffer.DataBuffer;
import org.springframework.core.io.buffer.DataBufferUtils;
import org.springframework.http.HttpHeaders;
import org.springframework.http.server.reactive.ServerHttpRequest;
import org.springframework.http.server.reactive.ServerHttpResponse;
import org.vlmserve.gateway.config.ConnectionConfig;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Scheduler;

/**
 * Reads bodies up to a limit and down to a rate. A body that is refused is still read to its end, and dropped: most clients read no answer
 * before they have sent all, and closing on them would reset the connection under the error that tells them why.
 */
public final class BodyReader {

    /** Beyond so many times the limit, or so much time, the connection is closed on a refused body after all. */
    private static final int DISCARD_FACTOR = 8;

    private static final Duration DISCARD_TIME = Duration.ofSeconds(30);

    private final int maxBytes;
    private final ConnectionConfig connection;
    private final Scheduler blocking;

    /** @param blocking where coded bodies are decoded, and where bodies are handed over */
    public BodyReader(long maxBytes, ConnectionConfig connection, Scheduler blocking) {
        this.maxBytes = Math.toIntExact(maxBytes);
        this.connection = connection;
        this.blocking = blocking;
    }

    /**
     * Reads the whole body, decoded. Its length stays reserved.
     *
     * @param budget told of bytes before they are kept, and of none that have not come
     * @return the body. Errors: {@code REQUEST_TOO_LARGE}, {@code REQUEST_TIMEOUT}, {@code CONTENT_ENCODING_UNSUPPORTED}, {@code INVALID_REQUEST} for broken gzip,
     *     and what the budget throws
     */
    public Mono<byte[]> read(ServerHttpRequest request, Call call, MemoryBudget budget) {
        return Mono.defer(() -> {
            ContentCoding coding = coding(request.getHeaders());
            long declared = request.getHeaders().getContentLength();
            if (declared > maxBytes) {
                return Mono.error(tooLarge(declared));
            }
            call.takeBody();
            AtomicLong received = new AtomicLong();
            Mono<byte[]> body = request.getBody()
                    .collect(() -> new Body(declared, budget, received), Body::add)
                    .map(Body::finish);
            return Mono.firstWithSignal(body, tooSlow(received))
                    .publishOn(blocking)
                    .map(bytes -> decoded(bytes, coding, budget));
        });
    }

    private static ContentCoding coding(HttpHeaders headers) {
        try {
            return ContentCoding.of(headers.getOrEmpty(HttpHeaders.CONTENT_ENCODING), EnumSet.of(ContentCoding.GZIP));
        } catch (IllegalArgumentException e) {
            throw new VlmException(
                    ErrorCode.CONTENT_ENCODING_UNSUPPORTED,
                    "the Content-Encoding header says " + e.getMessage() + ", expected gzip or identity",
                    HttpHeaders.CONTENT_ENCODING,
                    e);
        }
    }

    private byte[] decoded(byte[] bytes, ContentCoding coding, MemoryBudget budget) {
        try {
            return coding.decode(bytes, new GrowingBody(maxBytes, -1, budget, this::tooLarge), budget);
        } catch (IOException e) {
            throw new VlmException(
                    ErrorCode.INVALID_REQUEST,
                    "the body is declared as gzip, and is cut off or no gzip at all",
                    HttpHeaders.CONTENT_ENCODING,
                    e);
        }
    }

    private VlmException tooLarge(long size) {
        return new VlmException(
                ErrorCode.REQUEST_TOO_LARGE,
                "the body has " + size + " bytes or more, at most " + maxBytes
                        + " are taken; send smaller pictures, or their URLs");
    }

    /** Fails once too little has come in a span of time; never ends otherwise. */
    private Mono<byte[]> tooSlow(AtomicLong received) {
        long least = Math.max(
                1, connection.minBodyRate().toBytes() * connection.bodyTimeout().toMillis() / 1000);
        AtomicLong before = new AtomicLong();
        return Flux.interval(connection.bodyTimeout())
                .<byte[]>handle((tick, sink) -> {
                    long now = received.get();
                    long came = now - before.getAndSet(now);
                    if (came < least) {
                        sink.error(new VlmException(
                                ErrorCode.REQUEST_TIMEOUT,
                                "the body brought " + came + " bytes in "
                                        + connection.bodyTimeout().toMillis() + " ms, expected at least " + least));
                    }
                })
                .then(Mono.never());
    }

    /** Reads what nobody took, so that an error can be delivered; then completes, whatever happened. */
    Mono<Void> discardUntaken(ServerHttpRequest request, ServerHttpResponse response, Call call) {
        HttpHeaders headers = request.getHeaders();
        boolean hasBody = headers.getContentLength() > 0 || headers.containsHeader(HttpHeaders.TRANSFER_ENCODING);
        if (call.bodyTaken() || !hasBody) {
            return Mono.empty();
        }
        if (headers.containsHeader(HttpHeaders.EXPECT)) {
            response.getHeaders().set(HttpHeaders.CONNECTION, "close");
            return Mono.empty();
        }
        call.takeBody();
        return request.getBody()
                .scan(0L, (size, buffer) -> {
                    long total = size + buffer.readableByteCount();
                    DataBufferUtils.release(buffer);
                    return total;
                })
                .takeUntil(size -> size > (long) DISCARD_FACTOR * maxBytes)
                .last()
                .timeout(DISCARD_TIME)
                .doOnNext(size -> {
                    if (size > (long) DISCARD_FACTOR * maxBytes) {
                        response.getHeaders().set(HttpHeaders.CONNECTION, "close");
                    }
                })
                .onErrorResume(TimeoutException.class, error -> {
                    response.getHeaders().set(HttpHeaders.CONNECTION, "close");
                    return Mono.empty();
                })
                .then();
    }

    private final class Body {

        private final GrowingBody kept;
        private final AtomicLong received;
        private @Nullable VlmException refused;

        Body(long declared, MemoryBudget budget, AtomicLong received) {
            this.kept = new GrowingBody(maxBytes, declared, budget, BodyReader.this::tooLarge);
            this.received = received;
        }

        void add(DataBuffer buffer) {
            int count = buffer.readableByteCount();
            try {
                long size = received.addAndGet(count);
                if (refused == null) {
                    keep(buffer, count);
                } else if (size > (long) DISCARD_FACTOR * maxBytes) {
                    throw refused;
                }
            } finally {
                DataBufferUtils.release(buffer);
            }
        }

        private void keep(DataBuffer buffer, int count) {
            try {
                kept.add(count, buffer::read);
            } catch (VlmException e) {
                refused = e;
                kept.drop();
            }
        }

        byte[] finish() {
            if (refused != null) {
                throw refused;
            }
            return kept.finish();
        }
    }
}
