package org.vlmserve.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Many requests one after another over each of several connections: none may wait for ever. */
class KeepAliveTest {

    private static final int CLIENTS = 6;
    private static final int ROUNDS = 100;
    private static final String HELLO =
            "{\"model\":\"line-reader\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";

    @Test
    @Timeout(300)
    void connectionsNeverStall() throws Exception {
        try (TestGateway gateway = new TestGateway(new FakeRoad(), "logging.level.org.vlmserve=warn");
                ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Void>> clients = new ArrayList<>();
            for (int i = 0; i < CLIENTS; i++) {
                clients.add(threads.submit(() -> {
                    askAgainAndAgain(gateway);
                    return null;
                }));
            }
            for (Future<Void> client : clients) {
                client.get();
            }
        }
    }

    private static void askAgainAndAgain(TestGateway gateway) throws Exception {
        String management = "http://localhost:" + gateway.managementPort();
        List<HttpRequest.Builder> requests = List.of(
                TestGateway.request(management + "/actuator/prometheus"),
                gateway.chat(HELLO),
                TestGateway.request(management + "/actuator/health"),
                gateway.chat(HELLO.replace("}]}", "}],\"stream\":true}")));
        try (HttpClient client = HttpClient.newHttpClient()) {
            for (int round = 0; round < ROUNDS; round++) {
                for (HttpRequest.Builder request : requests) {
                    assertThat(client.send(
                                            request.timeout(Duration.ofSeconds(30))
                                                    .build(),
                                            HttpResponse.BodyHandlers.ofString())
                                    .statusCode())
                            .isEqualTo(200);
                }
            }
        }
    }
}
