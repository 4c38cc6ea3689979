package org.vlmserve.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.SequenceInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.boot.context.properties.source.MapConfigurationPropertySource;
import org.vlmserve.gateway.config.AdmissionConfig;
import org.vlmserve.gateway.config.StreamConfig;

/** The arithmetic of {@code docs/reliability.md}, and a gateway at its default heap that is driven to the bound. */
class GatewayMemoryTest {

    private static final String HELLO =
            "{\"model\":\"line-reader\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";

    private static Process process;
    private static int port;
    private static int managementPort;
    private static HttpClient client = HttpClient.newHttpClient();

    /** As the gateway is started by Compose, in MiB. */
    private static int heap() throws IOException {
        String compose = Files.readString(Path.of(System.getProperty("vlm.root"), "docker-compose.yml"));
        Matcher heap = Pattern.compile("\"-Xmx([0-9]+)m\", \"@gateway.args\"").matcher(compose);
        assertThat(heap.find()).isTrue();
        return Integer.parseInt(heap.group(1));
    }

    @BeforeAll
    static void start() throws IOException {
        process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx" + heap() + "m",
                        "-XX:+UseSerialGC",
                        "-XX:+ExitOnOutOfMemoryError",
                        "-cp",
                        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                        BoundedGateway.class.getName())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        BufferedReader out =
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        Pattern ports = Pattern.compile("port ([0-9]+) management ([0-9]+) .*");
        for (String line = out.readLine(); line != null && port == 0; line = out.readLine()) {
            Matcher told = ports.matcher(line);
            if (told.matches()) {
                port = Integer.parseInt(told.group(1));
                managementPort = Integer.parseInt(told.group(2));
                break;
            }
        }
        assertThat(port).isPositive();
        Thread.ofVirtual().start(() -> out.lines().forEach(line -> {}));
    }

    @AfterAll
    static void stop() throws Exception {
        process.getOutputStream().close();
        process.waitFor();
    }

    private static HttpRequest.Builder chat(BodyPublisher body) {
        return HttpRequest.newBuilder(URI.create("http://localhost:" + port + "/v1/chat/completions"))
                .header("content-type", "application/json")
                .timeout(Duration.ofMinutes(4))
                .POST(body);
    }

    private static HttpResponse<String> hello() throws Exception {
        return client.send(chat(BodyPublishers.ofString(HELLO)).build(), BodyHandlers.ofString());
    }

    private static long inFlight() throws Exception {
        String metrics = client.send(
                        HttpRequest.newBuilder(
                                        URI.create("http://localhost:" + managementPort + "/actuator/prometheus"))
                                .build(),
                        BodyHandlers.ofString())
                .body();
        Matcher bytes = Pattern.compile("^vlm_gateway_bytes_in_flight(?:\\{.*})? (.*)$", Pattern.MULTILINE)
                .matcher(metrics);
        assertThat(bytes.find()).isTrue();
        return (long) Double.parseDouble(bytes.group(1));
    }

    private static InputStream repeated(byte what, long count) {
        return new InputStream() {
            private long left = count;

            @Override
            public int read() {
                return left-- > 0 ? what : -1;
            }

            @Override
            public int read(byte[] into, int offset, int length) {
                if (left <= 0) {
                    return -1;
                }
                int some = (int) Math.min(left, length);
                java.util.Arrays.fill(into, offset, offset + some, what);
                left -= some;
                return some;
            }
        };
    }

    /** A body with this much of one character in its middle, never held as a whole on this side. */
    private static BodyPublisher body(String before, char middle, long count, String after) {
        byte[] head = before.getBytes(StandardCharsets.US_ASCII);
        byte[] tail = after.getBytes(StandardCharsets.US_ASCII);
        return BodyPublishers.fromPublisher(
                BodyPublishers.ofInputStream(() -> new SequenceInputStream(Collections.enumeration(List.of(
                        new ByteArrayInputStream(head),
                        repeated((byte) middle, count),
                        new ByteArrayInputStream(tail))))),
                head.length + count + tail.length);
    }

    /** Sends all at once; those that are still unanswered when the others are are given up. Returns the others' statuses. */
    private static List<Integer> flood(List<HttpRequest> requests, int least) throws Exception {
        List<CompletableFuture<HttpResponse<String>>> sent = new ArrayList<>();
        for (HttpRequest request : requests) {
            sent.add(client.sendAsync(request, BodyHandlers.ofString()));
        }
        await().atMost(Duration.ofMinutes(4))
                .until(() -> sent.stream().filter(CompletableFuture::isDone).count() >= least);
        assertThat(hello().statusCode()).isIn(200, 429);
        List<Integer> statuses = sent.stream()
                .filter(CompletableFuture::isDone)
                .map(done -> done.join().statusCode())
                .toList();
        sent.forEach(future -> future.cancel(true));
        assertUnharmed();
        return statuses;
    }

    private static void assertUnharmed() throws Exception {
        await().atMost(Duration.ofMinutes(1)).until(() -> inFlight() == 0);
        assertThat(hello().statusCode()).isEqualTo(200);
        assertThat(process.isAlive()).isTrue();
    }

    @Test
    void theSumFitsIntoTheDefaultHeap() throws IOException {
        Binder defaults = new Binder(new MapConfigurationPropertySource(Map.of()));
        AdmissionConfig admission = defaults.bindOrCreate("vlm.admission", AdmissionConfig.class);
        StreamConfig stream = defaults.bindOrCreate("vlm.stream", StreamConfig.class);
        // What Reactor Netty and the hand-over between threads hold of a plain stream, as lines of 400 bytes.
        long outbound = 144 * 400;
        long streams = admission.maxRequests() * (stream.bufferedBytes().toBytes() + outbound);
        // 26 MiB live after its start.
        long service = 40L << 20;
        long sum = admission.maxBytes().toBytes() + streams + BoundedGateway.ROAD_BYTES + service;

        assertThat(sum).isLessThan((long) (0.85 * (heap() << 20)));
    }

    @Test
    void largePicturesThatAreHeldKeepNobodyOutForGood() throws Exception {
        String png = Base64.getEncoder().encodeToString(Pictures.pngOfBytes(66));
        String before =
                "{\"model\":\"line-reader\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":\""
                        + "data:image/png;base64," + png;
        List<HttpRequest> requests = new ArrayList<>();
        for (int i = 0; i < 16; i++) {
            requests.add(chat(body(before, 'A', 24_000_000, "\"}]}]}")).build());
        }
        List<Integer> statuses = flood(requests, 6);
        assertThat(statuses).contains(429).containsOnly(429);
    }

    @Test
    void textThatIsMostlyStructureIsRefusedBeforeItIsRead() throws Exception {
        List<HttpRequest> requests = new ArrayList<>();
        String before =
                "{\"model\":\"line-reader\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"metadata\":[";
        for (int i = 0; i < 8; i++) {
            requests.add(chat(BodyPublishers.ofString(before + "{},".repeat(25_000) + "0]}"))
                    .build());
            requests.add(chat(BodyPublishers.ofString(before + "{},".repeat(2_000_000) + "0]}"))
                    .build());
            requests.add(chat(body(before + "\"", 'x', 26_000_000, " x\"]}")).build());
        }
        List<Integer> statuses = flood(requests, requests.size());
        assertThat(statuses).contains(200, 400).isSubsetOf(200, 400, 413, 429);
    }

    @Test
    void compressedBodiesCountAsWhatTheyBecome() throws Exception {
        ByteArrayOutputStream compressed = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(compressed)) {
            gzip.write(HELLO.substring(0, HELLO.length() - 1).getBytes(StandardCharsets.US_ASCII));
            repeated((byte) ' ', 28_000_000).transferTo(gzip);
            gzip.write('}');
        }
        List<HttpRequest> requests = new ArrayList<>();
        for (int i = 0; i < 16; i++) {
            requests.add(chat(BodyPublishers.ofByteArray(compressed.toByteArray()))
                    .header("content-encoding", "gzip")
                    .build());
        }
        assertThat(flood(requests, requests.size())).isSubsetOf(200, 429, 413);
    }

    @Test
    void readersThatDoNotReadAreCancelled() throws Exception {
        String stream = HELLO.replace("}]}", "}],\"logprobs\":true,\"top_logprobs\":20,\"stream\":true}");
        List<RawClient> readers = new ArrayList<>();
        try {
            for (int i = 0; i < 100; i++) {
                RawClient reader = new RawClient(port);
                readers.add(reader);
                reader.send(RawClient.header(stream.length()) + stream);
            }
            List<HttpRequest> whole = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                whole.add(chat(BodyPublishers.ofString(stream.replace("\"stream\":true", "\"stream\":false")))
                        .build());
            }
            assertThat(flood(whole, 1)).isSubsetOf(413, 429);
        } finally {
            for (RawClient reader : readers) {
                reader.close();
            }
        }
        assertUnharmed();
    }
}
