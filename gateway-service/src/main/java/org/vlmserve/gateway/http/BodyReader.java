package org.vlmserve.gateway.http;

import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.TimeoutException;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;
import org.springframework.core.io.buffer.DataBuffer;
import org.springframework.core.io.buffer.DataBufferUtils;
import org.springframework.http.HttpHeaders;
import org.springframework.http.server.reactive.ServerHttpRequest;
import org.springframework.http.server.reactive.ServerHttpResponse;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import reactor.core.publisher.Mono;

/**
 * Reads bodies up to a limit. A body that is refused is still read to its end, and dropped: most clients read no answer
 * before they have sent all, and closing on them would reset the connection under the error that tells them why.
 */
public final class BodyReader {

    /** Beyond so many times the limit, or so much time, the connection is closed on a refused body after all. */
    private static final int DISCARD_FACTOR = 8;

    private static final Duration DISCARD_TIME = Duration.ofSeconds(30);

    private final int maxBytes;

    public BodyReader(long maxBytes) {
        this.maxBytes = Math.toIntExact(maxBytes);
    }

    /**
     * @param reserve told of bytes before they are kept; may refuse by throwing
     * @return the whole body. Errors: {@code REQUEST_TOO_LARGE}, and what {@code reserve} throws
     */
    public Mono<byte[]> read(ServerHttpRequest request, Call call, LongConsumer reserve) {
        return Mono.defer(() -> {
            long declared = request.getHeaders().getContentLength();
            if (declared > maxBytes) {
                return Mono.error(tooLarge(declared));
            }
            if (declared > 0) {
                reserve.accept(declared);
            }
            call.takeBody();
            return request.getBody()
                    .collect(() -> new Body(declared, reserve), Body::add)
                    .map(Body::finish);
        });
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

    private VlmException tooLarge(long size) {
        return new VlmException(
                ErrorCode.REQUEST_TOO_LARGE,
                "the body has " + size + " bytes or more, at most " + maxBytes
                        + " are taken; send smaller pictures, or their URLs");
    }

    private final class Body {

        private final LongConsumer reserve;
        private final boolean reserved;
        private byte[] bytes;
        private long size;
        private @Nullable VlmException refused;

        Body(long declared, LongConsumer reserve) {
            this.reserve = reserve;
            this.reserved = declared >= 0;
            this.bytes = new byte[declared >= 0 ? (int) declared : 8192];
        }

        void add(DataBuffer buffer) {
            int count = buffer.readableByteCount();
            try {
                size += count;
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
            if (size > maxBytes) {
                refuse(tooLarge(size));
                return;
            }
            if (!reserved) {
                try {
                    reserve.accept(count);
                } catch (VlmException e) {
                    refuse(e);
                    return;
                }
            }
            if (size > bytes.length) {
                bytes = Arrays.copyOf(bytes, (int) Math.min(maxBytes, Math.max(size, 2L * bytes.length)));
            }
            buffer.read(bytes, (int) size - count, count);
        }

        private void refuse(VlmException error) {
            refused = error;
            bytes = new byte[0];
        }

        byte[] finish() {
            if (refused != null) {
                throw refused;
            }
            return size == bytes.length ? bytes : Arrays.copyOf(bytes, (int) size);
        }
    }
}
