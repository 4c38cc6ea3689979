package org.vlmserve.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.vlmserve.protocol.AnswerEvent.FinishReason;

class GracefulShutdownTest {

    private static final String STREAM =
            "{\"model\":\"line-reader\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";

    @Test
    void streamsEndBeforeTheGatewayDoesAndNewOnesAreNotTaken() throws Exception {
        FakeRoad road = new FakeRoad();
        TestGateway gateway = new TestGateway(road);
        CompletableFuture<Runnable> finish = new CompletableFuture<>();
        road.onSubmit((request, listener) -> {
            road.inOrder(() -> listener.onEvent(FakeRoad.token(request, 0, "Hel")));
            finish.complete(() -> road.inOrder(() -> {
                listener.onEvent(FakeRoad.token(request, 1, "lo"));
                listener.onEvent(FakeRoad.finished(request, FinishReason.STOP, "Hello", 2));
            }));
        });
        var response = gateway.client().send(gateway.chat(STREAM).build(), HttpResponse.BodyHandlers.ofInputStream());
        BufferedReader reader = new BufferedReader(new InputStreamReader(response.body(), StandardCharsets.UTF_8));
        assertThat(reader.readLine()).contains("assistant");
        int port = gateway.port();

        Thread closing = Thread.ofVirtual().start(gateway::close);
        await().until(() -> refuses(port));
        assertThat(closing.isAlive()).isTrue();
        finish.join().run();

        assertThat(reader.lines().toList()).contains("data: [DONE]");
        closing.join();
    }

    @Test
    void streamsThatOutlastTheLimitAreCutAndCancelled() throws Exception {
        FakeRoad road = new FakeRoad();
        TestGateway gateway = new TestGateway(road, "spring.lifecycle.timeout-per-shutdown-phase=500ms");
        road.onSubmit((request, listener) -> road.inOrder(() -> listener.onEvent(FakeRoad.token(request, 0, "Hel"))));
        var response = gateway.client().send(gateway.chat(STREAM).build(), HttpResponse.BodyHandlers.ofInputStream());
        assertThat(response.statusCode()).isEqualTo(200);

        gateway.close();

        await().until(() -> road.cancelled().contains(road.lastAsked().requestId()));
    }

    private static boolean refuses(int port) {
        try (Socket socket = new Socket("localhost", port)) {
            return false;
        } catch (IOException e) {
            return true;
        }
    }
}
