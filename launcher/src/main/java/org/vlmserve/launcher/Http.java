package org.vlmserve.launcher;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Optional;

/** Short questions to the services' HTTP ports. */
final class Http {

    private static final Duration PATIENCE = Duration.ofSeconds(2);

    private final HttpClient client = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(PATIENCE)
            // The services are on this machine, whatever proxy Java is told to use.
            .proxy(HttpClient.Builder.NO_PROXY)
            .build();

    HttpClient client() {
        return client;
    }

    /** The body of a 200; empty for every other answer and for none, as of a service that still starts. */
    Optional<String> get(int port, String path) throws InterruptedException {
        HttpRequest request =
                HttpRequest.newBuilder(uri(port, path)).timeout(PATIENCE).build();
        try {
            HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
            return response.statusCode() == 200 ? Optional.of(response.body()) : Optional.empty();
        } catch (IOException notYet) {
            return Optional.empty();
        }
    }

    static URI uri(int port, String path) {
        return URI.create("http://127.0.0.1:" + port + path);
    }
}
