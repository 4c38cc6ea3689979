package org.vlmserve.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayInputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.util.List;
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
                "vlm.admission.max-bytes=200KB",
                "vlm.request.max-body=1MB",
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

    private static void assertTooLarge(HttpResponse<String> response) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(413);
        assertThat(TestGateway.json(response).at("/error/code").stringValue()).isEqualTo("request_too_large");
    }

    private static void assertNothingHeld() {
        Admission admission = gateway.context().getBean(Admission.class);
        await().until(() -> admission.bytesInFlight() == 0 && admission.requestsInFlight() == 0);
    }

    @Test
    void aBodyThatCanNeverBeAdmittedIsTooLarge() throws Exception {
        road.answers("done");
        byte[] large = HELLO.replace("Hi", "x".repeat(300 << 10)).getBytes(StandardCharsets.UTF_8);

        assertTooLarge(gateway.ask(new String(large, StandardCharsets.UTF_8)));
        assertTooLarge(gateway.send(TestGateway.request(gateway.url() + "/v1/chat/completions")
                .header("content-type", "application/json")
                .POST(BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(large)))));
        assertNothingHeld();
    }

    @Test
    void bytesOfPicturesCountUntilTheirAnswer() throws Exception {
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
            String url = "http://127.0.0.1:" + pictures.getAddress().getPort() + "/";
            String inline = Pictures.dataUrl(Pictures.pngOfBytes(60_000));
            for (String picture : List.of(url + 80_000, inline)) {
                String body = "{\"model\":\"line-reader\",\"messages\":[{\"role\":\"user\",\"content\":["
                        + "{\"type\":\"image_url\",\"image_url\":\"URL\"}]}]}";
                String asked = body.replace("URL", picture);
                CompletableFuture<Runnable> finish = new CompletableFuture<>();
                road.onSubmit((request, listener) -> finish.complete(() -> road.inOrder(
                        () -> listener.onEvent(FakeRoad.finished(request, FinishReason.STOP, "done", 1)))));
                var first = gateway.client().sendAsync(gateway.chat(asked).build(), BodyHandlers.ofString());
                Admission admission = gateway.context().getBean(Admission.class);
                await().until(() -> finish.isDone() && admission.bytesInFlight() >= 60_000);

                assertOverloaded(gateway.ask(body.replace("URL", url + 75_000)));

                finish.join().run();
                assertThat(first.join().statusCode()).isEqualTo(200);
                assertNothingHeld();
                road.answers("done");
                assertThat(gateway.ask(body.replace("URL", url + 75_000)).statusCode())
                        .isEqualTo(200);
                assertTooLarge(gateway.ask(body.replace("URL", url + 250_000)));
                assertNothingHeld();
            }
        } finally {
            pictures.stop(0);
        }
    }
}
