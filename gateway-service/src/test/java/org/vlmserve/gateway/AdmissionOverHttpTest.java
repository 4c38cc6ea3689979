package org.vlmserve.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayInputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.vlmserve.gateway.http.Admission;
import org.vlmserve.protocol.AnswerEvent.FinishReason;

/** 429 when too much is in flight, by number and by bytes. */
class AdmissionOverHttpTest {

    private static final String HELLO =
            "{\"model\":\"line-reader\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";

    private static final FakeRoad road = new FakeRoad();
    private static TestGateway gateway;

    @BeforeAll
    static void start() {
        gateway = new TestGateway(
                road,
                "vlm.admission.max-requests=2",
                "vlm.admission.max-bytes=20KB",
                "vlm.admission.retry-after=2500ms",
                "vlm.media.allowed-hosts=127.0.0.1");
    }

    @AfterAll
    static void stop() {
        gateway.close();
    }

    private static void assertOverloaded(HttpResponse<String> response) {
        assertThat(response.statusCode()).isEqualTo(429);
        assertThat(response.headers().firstValue("retry-after")).contains("3");
        assertThat(TestGateway.json(response).at("/error/code").stringValue()).isEqualTo("overloaded");
        assertThat(TestGateway.json(response).at("/error/type").stringValue()).isEqualTo("rate_limit_error");
    }

    @Test
    void oneMoreThanTheLimitIsRefusedUntilOneEnds() throws Exception {
        CompletableFuture<Runnable> first = new CompletableFuture<>();
        CompletableFuture<Runnable> second = new CompletableFuture<>();
        road.onSubmit((request, listener) -> {
            Runnable finish = () ->
                    road.inOrder(() -> listener.onEvent(FakeRoad.finished(request, FinishReason.STOP, "done", 1)));
            if (!first.complete(finish)) {
                second.complete(finish);
            }
        });
        var one = gateway.client().sendAsync(gateway.chat(HELLO).build(), HttpResponse.BodyHandlers.ofString());
        var two = gateway.client().sendAsync(gateway.chat(HELLO).build(), HttpResponse.BodyHandlers.ofString());
        first.join();
        second.join();

        assertOverloaded(gateway.ask(HELLO));

        first.join().run();
        second.join().run();
        assertThat(one.join().statusCode()).isEqualTo(200);
        assertThat(two.join().statusCode()).isEqualTo(200);
        Admission admission = gateway.context().getBean(Admission.class);
        await().until(() -> admission.requestsInFlight() == 0);
        road.answers("again");
        assertThat(gateway.ask(HELLO).statusCode()).isEqualTo(200);
    }

    @Test
    void bytesOfBodiesAndOfFetchedPicturesCount() throws Exception {
        road.answers("done");
        byte[] large = HELLO.replace("Hi", "x".repeat(20 << 10)).getBytes(StandardCharsets.UTF_8);
        assertOverloaded(gateway.ask(new String(large, StandardCharsets.UTF_8)));
        assertOverloaded(gateway.send(TestGateway.request(gateway.url() + "/v1/chat/completions")
                .header("content-type", "application/json")
                .POST(BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(large)))));

        HttpServer pictures = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        pictures.createContext("/", exchange -> {
            byte[] content = Pictures.pngOfBytes(
                    Integer.parseInt(exchange.getRequestURI().getPath().substring(1)));
            exchange.sendResponseHeaders(200, content.length);
            exchange.getResponseBody().write(content);
            exchange.close();
        });
        pictures.start();
        try {
            String body =
                    "{\"model\":\"line-reader\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
                            + "\"image_url\":{\"url\":\"http://127.0.0.1:"
                            + pictures.getAddress().getPort() + "/SIZE\"}}]}]}";
            assertThat(gateway.ask(body.replace("SIZE", "15000")).statusCode()).isEqualTo(200);
            assertThat(road.lastAsked().pictures().getFirst().content().files().getFirst())
                    .hasSize(15000);
            assertOverloaded(gateway.ask(body.replace("SIZE", "25000")));
        } finally {
            pictures.stop(0);
        }
        Admission admission = gateway.context().getBean(Admission.class);
        await().until(() -> admission.bytesInFlight() == 0);
    }
}
