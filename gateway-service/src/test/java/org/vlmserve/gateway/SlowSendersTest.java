package org.vlmserve.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.vlmserve.gateway.http.Admission;

/** Connections that declare much and bring little harm nobody else, and end. */
class SlowSendersTest {

    private static final String HELLO =
            "{\"model\":\"line-reader\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";

    private static final FakeRoad road = new FakeRoad();
    private static TestGateway gateway;

    @BeforeAll
    static void start() {
        // Fewer requests may be in flight than connections are idle below, and fewer bytes than each of them declares.
        gateway = new TestGateway(
                road,
                "vlm.admission.max-requests=10",
                "vlm.admission.max-bytes=20MB",
                "vlm.connection.body-timeout=2s",
                "vlm.connection.min-body-rate=100B",
                "vlm.connection.idle-timeout=3s");
    }

    @AfterAll
    static void stop() {
        gateway.close();
    }

    private static Admission admission() {
        return gateway.context().getBean(Admission.class);
    }

    @Test
    void threeHundredDeclaredBodiesHoldNothingAndEnd() throws Exception {
        List<RawClient> idle = new ArrayList<>();
        try {
            for (int i = 0; i < 300; i++) {
                RawClient client = new RawClient(gateway);
                idle.add(client);
                client.send(RawClient.header(20_000_000));
            }
            assertThat(gateway.ask(HELLO).statusCode()).isEqualTo(200);
            assertThat(admission().requestsInFlight()).isZero();
            assertThat(admission().bytesInFlight()).isZero();

            for (RawClient client : idle) {
                assertThat(client.readAll()).startsWith("HTTP/1.1 408").contains("request_timeout");
            }
        } finally {
            for (RawClient client : idle) {
                client.close();
            }
        }
        assertThat(gateway.ask(HELLO).statusCode()).isEqualTo(200);
    }

    @Test
    void whatHasComeCountsAndNoMoreThanTwiceOfIt() throws Exception {
        try (RawClient client = new RawClient(gateway)) {
            client.send(RawClient.header(19_000_000) + "{" + " ".repeat(99_999));
            await().until(() -> admission().bytesInFlight() >= 100_000);
            assertThat(admission().bytesInFlight()).isLessThanOrEqualTo(300_000);
        }
        await().until(() -> admission().bytesInFlight() == 0);
    }

    @Test
    void aByteAtATimeIsEnded() throws Exception {
        try (RawClient client = new RawClient(gateway)) {
            client.send(RawClient.header(1000));
            Thread drip = Thread.ofVirtual().start(() -> {
                try {
                    while (true) {
                        client.send(" ");
                        Thread.sleep(100);
                    }
                } catch (IOException | InterruptedException e) {
                    // The connection was closed, which is what the test waits for.
                }
            });
            assertThat(client.readUntil("request_timeout"))
                    .startsWith("HTTP/1.1 408")
                    .contains("connection: close");
            drip.interrupt();
            drip.join();
        }
    }

    @Test
    void aSlowBodyThatKeepsUpIsAnswered() throws Exception {
        try (RawClient client = new RawClient(gateway)) {
            String padded = HELLO + " ".repeat(2000);
            client.send(RawClient.header(padded.length()));
            for (int from = 0; from < padded.length(); from += 100) {
                client.send(padded.substring(from, Math.min(padded.length(), from + 100)));
                Thread.sleep(150);
            }
            assertThat(client.readUntil("Hello big world")).startsWith("HTTP/1.1 200");
        }
    }

    @Test
    void aHeaderThatDoesNotEndIsCutOff() throws Exception {
        try (RawClient client = new RawClient(gateway);
                RawClient silent = new RawClient(gateway)) {
            client.send("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n");
            Thread drip = Thread.ofVirtual().start(() -> {
                try {
                    for (int i = 0; true; i++) {
                        client.send("x-" + i + ": a\r\n");
                        Thread.sleep(200);
                    }
                } catch (IOException | InterruptedException e) {
                    // As above.
                }
            });
            // Only the end matters: a reset is one too.
            assertThat(endOf(client)).isEmpty();
            assertThat(endOf(silent)).isEmpty();
            drip.interrupt();
            drip.join();
        }
    }

    private static String endOf(RawClient client) throws IOException {
        try {
            return client.readAll();
        } catch (java.net.SocketException e) {
            return "";
        }
    }

    @Test
    void whatIsRefusedIsNotReadForEverEither() throws Exception {
        try (RawClient client = new RawClient(gateway)) {
            client.send(RawClient.header(40_000_000));
            assertThat(client.readUntil("request_too_large")).startsWith("HTTP/1.1 413");
        }
    }
}
