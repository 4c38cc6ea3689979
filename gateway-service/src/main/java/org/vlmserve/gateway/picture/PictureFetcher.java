package org.vlmserve.gateway.picture;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelOption;
import io.netty.handler.codec.http.HttpHeaderNames;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeoutException;
import org.vlmserve.gateway.config.MediaConfig;
import org.vlmserve.gateway.http.ContentCoding;
import org.vlmserve.gateway.http.GrowingBody;
import org.vlmserve.gateway.http.MemoryBudget;
import org.vlmserve.media.FileFormat;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Scheduler;
import reactor.netty.ByteBufFlux;
import reactor.netty.http.Http11SslContextSpec;
import reactor.netty.http.client.HttpClient;
import reactor.netty.http.client.HttpClientResponse;
import reactor.netty.resources.ConnectionProvider;

/**
 * Gets the bytes of pictures and videos, decoded or fetched. Each URL, the first and those of redirects, goes through the
 * {@link AddressPolicy}; each connection is made for one request and to the checked address. No cookies, credentials or
 * proxies.
 */
public final class PictureFetcher {

    /** Hosts that choose a format by this header shall choose one that is read. */
    private static final String ACCEPT =
            "image/jpeg,image/png,image/webp,image/gif,image/tiff,image/bmp,video/mp4,video/webm,"
                    + "image/*;q=0.5,video/*;q=0.5,*/*;q=0.1";

    private final MediaConfig config;
    private final long maxBytes;
    private final AddressPolicy policy;
    private final Scheduler blocking;
    private final HttpClient plain;
    private final HttpClient secure;

    /**
     * @param maxBytes the largest picture
     * @param blocking for name resolution and base64, which would hold up an event loop
     */
    public PictureFetcher(MediaConfig config, long maxBytes, AddressPolicy policy, Scheduler blocking) {
        this.config = config;
        this.maxBytes = maxBytes;
        this.policy = policy;
        this.blocking = blocking;
        this.plain = HttpClient.create(ConnectionProvider.newConnection())
                .followRedirect(false)
                .disableRetry(true)
                .option(ChannelOption.CONNECT_TIMEOUT_MILLIS, (int)
                        config.connectTimeout().toMillis())
                .headers(headers -> headers.set(HttpHeaderNames.USER_AGENT, userAgent(config.contact()))
                        .set(HttpHeaderNames.ACCEPT, ACCEPT)
                        .set(HttpHeaderNames.ACCEPT_ENCODING, "identity, gzip;q=0.5"));
        this.secure = plain.secure(ssl -> ssl.sslContext(Http11SslContextSpec.forClient()));
    }

    /**
     * @param budget told of the file's bytes before they are kept, and holds them afterwards
     * @return the file, of a supported type. Errors: {@code PICTURE_URL_REFUSED}, {@code PICTURE_UNREACHABLE},
     *     {@code PICTURE_TOO_LARGE}, {@code PICTURE_TYPE_UNSUPPORTED}, {@code INVALID_REQUEST}
     */
    public Mono<byte[]> fetch(PictureUrl source, MemoryBudget budget) {
        Mono<byte[]> content = switch (source) {
            case PictureUrl.Inline inline ->
                Mono.fromCallable(() -> inline.decode(maxBytes, budget::reserve))
                        .subscribeOn(blocking);
            case PictureUrl.Remote remote -> download(remote, budget);
        };
        return content.doOnNext(bytes -> FileFormat.requirePicture(bytes, source.param()));
    }

    /**
     * A video's file, or its frames.
     *
     * @param sources one for a file; several for frames, in the order of time
     * @return the files, of supported types, together no larger than one picture may be. Errors as of {@link #fetch}
     */
    public Mono<List<byte[]>> fetchVideo(List<PictureUrl> sources, MemoryBudget budget) {
        return Flux.fromIterable(sources)
                .concatMap(source -> switch (source) {
                    case PictureUrl.Inline inline ->
                        Mono.fromCallable(() -> inline.decodeVideo(maxBytes, budget::reserve))
                                .subscribeOn(blocking)
                                .flatMapIterable(files -> files)
                                .map(file -> new Part(file, source.param()));
                    case PictureUrl.Remote remote ->
                        download(remote, budget).map(file -> new Part(file, source.param()));
                })
                .collect(VideoParts::new, VideoParts::add)
                .map(VideoParts::files);
    }

    private record Part(byte[] file, String param) {}

    private final class VideoParts {
        private final List<Part> parts = new ArrayList<>();
        private long size;

        void add(Part part) {
            size += part.file().length;
            if (size > maxBytes) {
                throw PictureUrl.tooLarge(size, maxBytes, part.param());
            }
            parts.add(part);
        }

        List<byte[]> files() {
            parts.forEach(part -> FileFormat.requireVideo(part.file(), parts.size() > 1, part.param()));
            return parts.stream().map(Part::file).toList();
        }
    }

    private Mono<byte[]> download(PictureUrl.Remote remote, MemoryBudget budget) {
        if (!config.fetchUrls()) {
            return Mono.error(new VlmException(
                    ErrorCode.PICTURE_URL_REFUSED,
                    "this gateway fetches no URLs; send the picture as a data: URL",
                    remote.param(),
                    null));
        }
        return follow(remote.url(), remote.param(), config.maxRedirects(), budget)
                .timeout(config.timeout())
                .onErrorMap(error -> !(error instanceof VlmException), error -> unreachable(error, remote.param()));
    }

    private Mono<byte[]> follow(String url, String param, int redirects, MemoryBudget budget) {
        return Mono.fromCallable(() -> policy.check(url, param))
                .subscribeOn(blocking)
                .flatMap(target -> get(target, param, budget).flatMap(reply -> switch (reply) {
                    case Reply.Content content -> Mono.just(content.bytes());
                    case Reply.Redirect redirect -> {
                        if (redirects == 0) {
                            yield Mono.error(new VlmException(
                                    ErrorCode.PICTURE_UNREACHABLE,
                                    "the URL redirects more than " + config.maxRedirects() + " times",
                                    param,
                                    null));
                        }
                        yield follow(target.url().resolve(redirect.location()), param, redirects - 1, budget);
                    }
                }));
    }

    private sealed interface Reply {
        record Content(byte[] bytes) implements Reply {}

        record Redirect(String location) implements Reply {}
    }

    private Mono<Reply> get(AddressPolicy.Target target, String param, MemoryBudget budget) {
        return (target.secure() ? secure : plain)
                .remoteAddress(target::address)
                .headers(headers ->
                        headers.set(HttpHeaderNames.HOST, target.url().hostHeader()))
                .get()
                .uri(target.url().requestTarget())
                .response((response, content) -> reply(response, content, param, budget))
                .single();
    }

    private Mono<Reply> reply(HttpClientResponse response, ByteBufFlux content, String param, MemoryBudget budget) {
        return switch (response.status().code()) {
            case 200 -> body(response, content, param, budget).map(Reply.Content::new);
            case 301, 302, 303, 307, 308 -> {
                String location = response.responseHeaders().get(HttpHeaderNames.LOCATION);
                yield location == null
                        ? Mono.error(new VlmException(
                                ErrorCode.PICTURE_UNREACHABLE, "the URL redirects to nowhere", param, null))
                        : Mono.just(new Reply.Redirect(location));
            }
            default ->
                Mono.error(new VlmException(
                        ErrorCode.PICTURE_UNREACHABLE,
                        "the picture's host answered with status "
                                + response.status().code() + ", expected 200",
                        param,
                        null));
        };
    }

    private Mono<byte[]> body(HttpClientResponse response, ByteBufFlux content, String param, MemoryBudget budget) {
        String declared = response.responseHeaders().get(HttpHeaderNames.CONTENT_LENGTH);
        if (declared != null && declared.matches("[0-9]{1,18}") && Long.parseLong(declared) > maxBytes) {
            return Mono.error(PictureUrl.tooLarge(Long.parseLong(declared), maxBytes, param));
        }
        ContentCoding coding;
        try {
            coding = ContentCoding.of(
                    response.responseHeaders().getAll(HttpHeaderNames.CONTENT_ENCODING),
                    EnumSet.of(ContentCoding.GZIP, ContentCoding.DEFLATE));
        } catch (IllegalArgumentException e) {
            return Mono.error(new VlmException(
                    ErrorCode.PICTURE_UNREACHABLE,
                    "the picture's host sent it coded as " + e.getMessage() + ", expected gzip, deflate or identity",
                    param,
                    e));
        }
        long length = declared != null && declared.matches("[0-9]{1,18}") ? Long.parseLong(declared) : -1;
        return content.collect(() -> growing(length, param, budget), PictureFetcher::add)
                .map(GrowingBody::finish)
                .publishOn(blocking)
                .map(bytes -> decoded(bytes, coding, param, budget));
    }

    private GrowingBody growing(long length, String param, MemoryBudget budget) {
        return new GrowingBody(
                Math.toIntExact(maxBytes), length, budget, size -> PictureUrl.tooLarge(size, maxBytes, param));
    }

    private static void add(GrowingBody body, ByteBuf buffer) {
        body.add(buffer.readableBytes(), buffer::readBytes);
    }

    private byte[] decoded(byte[] bytes, ContentCoding coding, String param, MemoryBudget budget) {
        try {
            return coding.decode(bytes, growing(-1, param, budget), budget);
        } catch (IOException e) {
            throw new VlmException(
                    ErrorCode.PICTURE_UNREACHABLE,
                    "the picture's host says that it sent " + coding.name().toLowerCase(Locale.ROOT)
                            + ", and the content is cut off or something else",
                    param,
                    e);
        }
    }

    /** A name of our own, and where to complain: what large hosts ask for. */
    private static String userAgent(String contact) {
        return contact.isEmpty() ? "vlm-gateway/0.1" : "vlm-gateway/0.1 (" + contact + ")";
    }

    private VlmException unreachable(Throwable error, String param) {
        String message = error instanceof TimeoutException
                ? "the picture did not arrive within " + config.timeout().toMillis() + " ms"
                : "the picture's host could not be reached or broke off";
        return new VlmException(ErrorCode.PICTURE_UNREACHABLE, message, param, error);
    }
}
