package org.vlmserve.gateway.picture;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.GZIPOutputStream;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vlmserve.gateway.Pictures;
import org.vlmserve.gateway.config.MediaConfig;
import org.vlmserve.gateway.http.MemoryBudget;
import org.vlmserve.protocol.Rendering;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import reactor.core.scheduler.Schedulers;

/** Fetches from servers on this machine under names that only the test's own resolver knows. */
class PictureFetcherTest {

    private static final byte[] PNG = Pictures.png(10, 10);

    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final AtomicInteger lookUps = new AtomicInteger();
    private final AtomicLong reserved = new AtomicLong();
    private final MemoryBudget budget = new MemoryBudget() {
        @Override
        public void reserve(long bytes) {
            reserved.addAndGet(bytes);
        }

        @Override
        public void release(long bytes) {
            reserved.addAndGet(-bytes);
        }
    };
    private HttpServer server;

    @BeforeEach
    void start() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(threads);
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
        threads.shutdownNow();
    }

    private InetAddress[] resolve(String host) {
        lookUps.incrementAndGet();
        return new InetAddress[] {InetAddress.getLoopbackAddress()};
    }

    /** Patient, so that a busy machine fails no test that is not about time. */
    private PictureFetcher fetcher(String... allowed) {
        return fetcher(Duration.ofSeconds(60), allowed);
    }

    private PictureFetcher fetcher(Duration timeout, String... allowed) {
        MediaConfig config = new MediaConfig(
                true,
                List.of(allowed),
                Duration.ofSeconds(20),
                timeout,
                2,
                4,
                Rendering.VIEWER,
                "https://example.org/bots");
        return new PictureFetcher(
                config, 5000, new AddressPolicy(config.allowedHosts(), this::resolve), Schedulers.boundedElastic());
    }

    private String url(String path) {
        return "http://pictures.example:" + server.getAddress().getPort() + path;
    }

    private byte[] fetch(String url) {
        return Objects.requireNonNull(fetcher("pictures.example")
                .fetch(new PictureUrl.Remote(url, "p"), budget)
                .block());
    }

    private VlmException refused(String url) {
        VlmException error = catchThrowableOfType(VlmException.class, () -> fetch(url));
        assertThat(error.param()).isEqualTo("p");
        return error;
    }

    private void serve(String path, HttpHandler handler) {
        server.createContext(path, handler);
    }

    private static void answer(HttpExchange exchange, int status, byte[] body) throws IOException {
        exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    private void redirect(String path, String location) {
        serve(path, exchange -> {
            exchange.getResponseHeaders().set("Location", location);
            answer(exchange, 302, new byte[0]);
        });
    }

    @Test
    void connectsToTheCheckedAddressUnderTheHostsName() {
        CompletableFuture<String> host = new CompletableFuture<>();
        CompletableFuture<String> target = new CompletableFuture<>();
        serve("/", exchange -> {
            host.complete(exchange.getRequestHeaders().getFirst("Host"));
            target.complete(exchange.getRequestURI().toString());
            answer(exchange, 200, PNG);
        });

        assertThat(fetch(url("/a%20b?c=d%26"))).isEqualTo(PNG);
        // No other resolver knows the name: whoever looked it up again would have failed.
        assertThat(lookUps).hasValue(1);
        assertThat(host.join())
                .isEqualTo("pictures.example:" + server.getAddress().getPort());
        assertThat(target.join()).isEqualTo("/a%20b?c=d%26");
        assertThat(reserved).hasValue(PNG.length);
    }

    @Test
    void privateAddressesAreRefusedBeforeAnyConnection() {
        AtomicInteger requests = new AtomicInteger();
        serve("/", exchange -> {
            requests.incrementAndGet();
            answer(exchange, 200, PNG);
        });

        VlmException error = catchThrowableOfType(
                VlmException.class,
                () -> fetcher()
                        .fetch(new PictureUrl.Remote(url("/"), "p"), budget)
                        .block());

        assertThat(error.code()).isEqualTo(ErrorCode.PICTURE_URL_REFUSED);
        assertThat(requests).hasValue(0);
    }

    @Test
    void redirectsAreFollowedAndCounted() {
        serve("/end", exchange -> answer(exchange, 200, PNG));
        redirect("/one", "/end");
        redirect("/two", url("/one"));
        redirect("/three", "two");

        assertThat(fetch(url("/two"))).isEqualTo(PNG);
        assertThat(refused(url("/three")).code()).isEqualTo(ErrorCode.PICTURE_UNREACHABLE);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "http://169.254.169.254/latest/meta-data",
                "http://internal.example/",
                "file:///etc/passwd",
                "http://user@pictures.example/",
                "http://0x7f.1/",
                "//localhost/"
            })
    void redirectsAreCheckedLikeTheFirstUrl(String location) {
        redirect("/", location);

        assertThat(refused(url("/")).code()).isEqualTo(ErrorCode.PICTURE_URL_REFUSED);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '>',
            quoteCharacter = '`',
            value = {
                "/a b.png > /a%20b.png",
                "/\u00c3\u00a9.png > /%C3%A9.png",
                "/x|y\"z.png?q=\u00c3\u00a9 1 > /x%7Cy%22z.png?q=%C3%A9%201",
                "img.png > /folder/img.png",
                "../up/img.png#part > /up/img.png",
                "?size=2 > /folder/from?size=2",
                "./img.png > /folder/img.png",
            })
    void redirectsAreResolvedAsBrowsersDo(String location, String target) {
        CompletableFuture<String> asked = new CompletableFuture<>();
        serve("/", exchange -> {
            if (exchange.getRequestURI().toString().equals("/folder/from")) {
                exchange.getResponseHeaders().set("Location", location);
                answer(exchange, 302, new byte[0]);
            } else {
                asked.complete(exchange.getRequestURI().toString());
                answer(exchange, 200, PNG);
            }
        });

        assertThat(fetch(url("/folder/from"))).isEqualTo(PNG);
        assertThat(asked.join()).isEqualTo(target);
    }

    @Test
    void codedRepliesAreDecodedWithinTheLimit() throws IOException {
        byte[] fits = Pictures.pngOfBytes(5000);
        coded("/gzip", "gzip", gzip(fits));
        coded("/deflate", "deflate", deflate(fits, false));
        coded("/raw", "Deflate", deflate(fits, true));
        coded("/identity", "identity", fits);
        coded("/large", "gzip", gzip(Pictures.pngOfBytes(5001)));
        byte[] bomb = gzip(new byte[4_000_000]);
        assertThat(bomb).hasSizeLessThan(5000);
        coded("/bomb", "gzip", bomb);
        coded("/br", "br", PNG);
        coded("/broken", "gzip", PNG);

        for (String path : List.of("/gzip", "/deflate", "/raw", "/identity")) {
            reserved.set(0);
            assertThat(fetch(url(path))).as(path).isEqualTo(fits);
            assertThat(reserved).hasValue(fits.length);
        }
        assertThat(refused(url("/large")).code()).isEqualTo(ErrorCode.PICTURE_TOO_LARGE);
        assertThat(refused(url("/bomb")).code()).isEqualTo(ErrorCode.PICTURE_TOO_LARGE);
        assertThat(refused(url("/br")).code()).isEqualTo(ErrorCode.PICTURE_UNREACHABLE);
        assertThat(refused(url("/br"))).hasMessageContaining("br, expected gzip");
        assertThat(refused(url("/broken")).code()).isEqualTo(ErrorCode.PICTURE_UNREACHABLE);
    }

    private void coded(String path, String coding, byte[] content) {
        serve(path, exchange -> {
            exchange.getResponseHeaders().set("Content-Encoding", coding);
            answer(exchange, 200, content);
        });
    }

    private static byte[] gzip(byte[] content) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
            gzip.write(content);
        }
        return out.toByteArray();
    }

    private static byte[] deflate(byte[] content, boolean raw) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        Deflater deflater = new Deflater(Deflater.DEFAULT_COMPRESSION, raw);
        try (DeflaterOutputStream deflate = new DeflaterOutputStream(out, deflater)) {
            deflate.write(content);
        }
        deflater.end();
        return out.toByteArray();
    }

    @Test
    void hostsAreToldWhoAsksAndForWhat() {
        CompletableFuture<Headers> headers = new CompletableFuture<>();
        serve("/", exchange -> {
            headers.complete(exchange.getRequestHeaders());
            answer(exchange, 200, PNG);
        });
        fetch(url("/"));

        assertThat(headers.join().getFirst("User-Agent")).isEqualTo("vlm-gateway/0.1 (https://example.org/bots)");
        assertThat(headers.join().getFirst("Accept"))
                .startsWith("image/jpeg,image/png")
                .contains("video/mp4");
        assertThat(headers.join().getFirst("Accept-Encoding")).contains("gzip").doesNotContain("br");
    }

    @Test
    void aNameThatChangesItsMindIsAskedOnce() {
        serve("/", exchange -> answer(exchange, 200, PNG));
        // The first answer is where the test's server is; who asked again would be sent elsewhere.
        AddressPolicy.Resolver rebinding = host -> {
            if (lookUps.getAndIncrement() > 0) {
                return new InetAddress[] {InetAddress.ofLiteral("169.254.169.254")};
            }
            return new InetAddress[] {InetAddress.getLoopbackAddress()};
        };
        MediaConfig config = new MediaConfig(
                true,
                List.of("pictures.example"),
                Duration.ofSeconds(20),
                Duration.ofSeconds(60),
                2,
                4,
                Rendering.VIEWER,
                "");
        PictureFetcher fetcher = new PictureFetcher(
                config, 5000, new AddressPolicy(config.allowedHosts(), rebinding), Schedulers.boundedElastic());
        assertThat(fetcher.fetch(new PictureUrl.Remote(url("/"), "p"), budget).block())
                .isEqualTo(PNG);
        assertThat(lookUps).hasValue(1);
    }

    @Test
    void aRedirectToNowhereIsUnreachable() {
        serve("/", exchange -> answer(exchange, 302, new byte[0]));

        assertThat(refused(url("/")).code()).isEqualTo(ErrorCode.PICTURE_UNREACHABLE);
    }

    @Test
    void largePicturesAreRefusedByTheirHeaderOrWhileTheyCome() {
        serve("/fits", exchange -> answer(exchange, 200, Pictures.pngOfBytes(5000)));
        serve("/declared", exchange -> answer(exchange, 200, Pictures.pngOfBytes(5001)));
        CompletableFuture<Boolean> brokenOff = new CompletableFuture<>();
        serve("/endless", exchange -> {
            exchange.sendResponseHeaders(200, 0);
            try {
                while (true) {
                    exchange.getResponseBody().write(Pictures.pngOfBytes(1000));
                }
            } catch (IOException e) {
                brokenOff.complete(true);
            }
        });

        assertThat(fetch(url("/fits"))).hasSize(5000);
        assertThat(refused(url("/declared")).code()).isEqualTo(ErrorCode.PICTURE_TOO_LARGE);
        reserved.set(0);
        assertThat(refused(url("/endless")).code()).isEqualTo(ErrorCode.PICTURE_TOO_LARGE);
        assertThat(reserved.get()).isLessThanOrEqualTo(5000);
        await().until(brokenOff::isDone);
    }

    @Test
    void whatIsNoPictureIsRefused() {
        serve("/html", exchange -> answer(exchange, 200, "<html>".getBytes(StandardCharsets.UTF_8)));
        serve("/empty", exchange -> answer(exchange, 200, new byte[0]));
        serve("/gone", exchange -> answer(exchange, 404, new byte[0]));
        serve("/part", exchange -> answer(exchange, 206, PNG));

        assertThat(refused(url("/html")).code()).isEqualTo(ErrorCode.PICTURE_TYPE_UNSUPPORTED);
        assertThat(refused(url("/empty")).code()).isEqualTo(ErrorCode.PICTURE_UNREADABLE);
        assertThat(refused(url("/gone"))).hasMessageContaining("404");
        assertThat(refused(url("/part")).code()).isEqualTo(ErrorCode.PICTURE_UNREACHABLE);
    }

    @Test
    void timeIsLimitedAsAWhole() {
        serve("/drip", exchange -> {
            exchange.sendResponseHeaders(200, 0);
            InputStream never = exchange.getRequestBody();
            assertThat(never.read()).isEqualTo(-1);
            try {
                while (true) {
                    exchange.getResponseBody().write(1);
                    exchange.getResponseBody().flush();
                    Thread.sleep(50);
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });

        VlmException error = catchThrowableOfType(
                VlmException.class,
                () -> fetcher(Duration.ofSeconds(1), "pictures.example")
                        .fetch(new PictureUrl.Remote(url("/drip"), "p"), budget)
                        .block());
        assertThat(error.code()).isEqualTo(ErrorCode.PICTURE_UNREACHABLE);
        assertThat(error).hasMessageContaining("1000 ms");
    }

    @Test
    void brokenConnectionsAreUnreachable() throws IOException {
        serve("/short", exchange -> {
            exchange.sendResponseHeaders(200, 1000);
            exchange.getResponseBody().write(PNG, 0, 20);
            exchange.getResponseBody().flush();
            exchange.getHttpContext().getServer().stop(0);
        });
        int closed;
        try (ServerSocket socket = new ServerSocket(0)) {
            closed = socket.getLocalPort();
        }

        assertThat(refused("http://pictures.example:" + closed + "/").code()).isEqualTo(ErrorCode.PICTURE_UNREACHABLE);
        assertThat(refused(url("/short")).code()).isEqualTo(ErrorCode.PICTURE_UNREACHABLE);
    }

    @Test
    void urlsMayBeForbiddenAltogether() {
        MediaConfig config = new MediaConfig(
                false,
                List.of("pictures.example"),
                Duration.ofSeconds(1),
                Duration.ofSeconds(1),
                1,
                1,
                Rendering.VIEWER,
                "");
        PictureFetcher fetcher = new PictureFetcher(
                config, 5000, new AddressPolicy(config.allowedHosts(), this::resolve), Schedulers.boundedElastic());

        assertThat(catchThrowableOfType(
                                VlmException.class,
                                () -> fetcher.fetch(new PictureUrl.Remote(url("/"), "p"), MemoryBudget.UNBOUNDED)
                                        .block())
                        .code())
                .isEqualTo(ErrorCode.PICTURE_URL_REFUSED);
        assertThat(lookUps).hasValue(0);
    }

    @Test
    void certificatesMustBeTrustedAndBearTheHostsName(@TempDir Path folder) throws Exception {
        Path store = folder.resolve("server.p12");
        Process keytool = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "keytool")
                                .toString(),
                        "-genkeypair",
                        "-alias",
                        "server",
                        "-keyalg",
                        "EC",
                        "-dname",
                        "CN=pictures.example",
                        "-ext",
                        "san=dns:pictures.example",
                        "-storetype",
                        "PKCS12",
                        "-storepass",
                        "changeit",
                        "-keystore",
                        store.toString())
                .inheritIO()
                .start();
        assertThat(keytool.waitFor()).isZero();
        KeyStore keys = KeyStore.getInstance("PKCS12");
        try (InputStream in = Files.newInputStream(store)) {
            keys.load(in, "changeit".toCharArray());
        }
        KeyManagerFactory managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        managers.init(keys, "changeit".toCharArray());
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(managers.getKeyManagers(), null, null);
        HttpsServer secure = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        secure.setHttpsConfigurator(new HttpsConfigurator(tls));
        secure.setExecutor(threads);
        secure.createContext("/", exchange -> answer(exchange, 200, PNG));
        secure.start();
        String port = ":" + secure.getAddress().getPort() + "/";
        try {
            assertThat(refused("https://pictures.example" + port).code()).isEqualTo(ErrorCode.PICTURE_UNREACHABLE);

            System.setProperty("javax.net.ssl.trustStore", store.toString());
            System.setProperty("javax.net.ssl.trustStorePassword", "changeit");
            PictureFetcher trusting = fetcher("pictures.example", "other.example");
            assertThat(trusting.fetch(
                                    new PictureUrl.Remote("https://pictures.example" + port, "p"),
                                    MemoryBudget.UNBOUNDED)
                            .block())
                    .isEqualTo(PNG);
            assertThat(catchThrowableOfType(
                                    VlmException.class,
                                    () -> trusting.fetch(
                                                    new PictureUrl.Remote("https://other.example" + port, "p"),
                                                    MemoryBudget.UNBOUNDED)
                                            .block())
                            .code())
                    .isEqualTo(ErrorCode.PICTURE_UNREACHABLE);
        } finally {
            System.clearProperty("javax.net.ssl.trustStore");
            System.clearProperty("javax.net.ssl.trustStorePassword");
            secure.stop(0);
        }
    }
}
