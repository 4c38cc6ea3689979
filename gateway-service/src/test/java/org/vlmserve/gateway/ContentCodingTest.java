package org.vlmserve.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vlmserve.gateway.http.Admission;

/** Bodies that are compressed on their way, and the bounds on what they become. */
class ContentCodingTest {

    private static final String HELLO =
            "{\"model\":\"line-reader\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";

    private static final FakeRoad road = new FakeRoad();
    private static TestGateway gateway;

    @BeforeAll
    static void start() {
        gateway = new TestGateway(road, "vlm.request.max-body=1MB", "vlm.admission.max-bytes=4MB");
    }

    @AfterAll
    static void stop() {
        gateway.close();
    }

    private static byte[] gzip(byte[] content) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
            gzip.write(content);
        }
        return out.toByteArray();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static HttpResponse<String> post(String coding, byte[] body) throws Exception {
        return gateway.send(TestGateway.request(gateway.url() + "/v1/chat/completions")
                .header("content-type", "application/json")
                .header("content-encoding", coding)
                .POST(BodyPublishers.ofByteArray(body)));
    }

    private static String code(HttpResponse<String> response) {
        return TestGateway.json(response).at("/error/code").stringValue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"gzip", "GZIP", "x-gzip", "identity, gzip"})
    void gzipIsRead(String coding) throws Exception {
        String body = HELLO.replace("Hi", "é".repeat(1000));
        assertThat(post(coding, gzip(bytes(body))).statusCode()).isEqualTo(200);
        assertThat(road.lastAsked().turns().getFirst().parts().getFirst())
                .isEqualTo(new org.vlmserve.protocol.ChatTurn.Text("é".repeat(1000)));
    }

    @Test
    void severalMembersAreOneBody() throws Exception {
        ByteArrayOutputStream members = new ByteArrayOutputStream();
        members.write(gzip(bytes(HELLO.substring(0, 20))));
        members.write(gzip(bytes(HELLO.substring(20))));
        assertThat(post("gzip", members.toByteArray()).statusCode()).isEqualTo(200);
    }

    @Test
    void identityIsNoCoding() throws Exception {
        assertThat(post("identity", bytes(HELLO)).statusCode()).isEqualTo(200);
    }

    @ParameterizedTest
    @ValueSource(strings = {"br", "zstd", "deflate", "gzip, gzip", "made-up"})
    void othersAreRefusedByName(String coding) throws Exception {
        HttpResponse<String> response = post(coding, gzip(bytes(HELLO)));
        assertThat(response.statusCode()).isEqualTo(415);
        assertThat(code(response)).isEqualTo("content_encoding_unsupported");
        assertThat(response.body()).contains(coding);
        assertThat(response.headers().firstValue("accept-encoding")).contains("gzip, identity");
    }

    @Test
    void theLimitHoldsForWhatABodyBecomes() throws Exception {
        byte[] bomb = gzip(new byte[200 << 20]);
        assertThat(bomb.length).isLessThan(1 << 20);
        HttpResponse<String> response = post("gzip", bomb);
        assertThat(response.statusCode()).isEqualTo(413);
        assertThat(code(response)).isEqualTo("request_too_large");
        // It ends as soon as the limit is passed, and does not look at the rest.
        assertThat(response.body()).contains("10485");
        Admission admission = gateway.context().getBean(Admission.class);
        await().until(() -> admission.bytesInFlight() == 0);
    }

    @Test
    void brokenGzipIsTheCallersFault() throws Exception {
        byte[] whole = gzip(bytes(HELLO));
        byte[] wrongSum = whole.clone();
        wrongSum[whole.length - 6] ^= 1;
        for (byte[] broken :
                new byte[][] {bytes(HELLO), Arrays.copyOf(whole, whole.length - 12), wrongSum, new byte[0]}) {
            HttpResponse<String> response = post("gzip", broken);
            assertThat(response.statusCode()).as(response.body()).isEqualTo(400);
            assertThat(code(response)).isEqualTo("invalid_request");
        }
    }
}
