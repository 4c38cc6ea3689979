package org.vlmserve.system;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Plain HTTP against the gateway, so that a test sees statuses, headers and bodies as they are. */
final class ChatClient {

    /** Sent with every look at the models, for gateways that want a key. */
    static final String KEY = "key-of-the-tests";

    static final JsonMapper JSON = new JsonMapper();

    private static final Duration TIMEOUT = Duration.ofMinutes(2);

    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final URI base;

    ChatClient(URI base) {
        this.base = base;
    }

    URI base() {
        return base;
    }

    record Reply(int status, JsonNode body, HttpResponse<String> response) {

        String text() {
            return body.at("/choices/0/message/content").asString();
        }

        String errorCode() {
            return body.at("/error/code").asString();
        }
    }

    /** @param text what the deltas add up to */
    record Streamed(String text, List<JsonNode> chunks, boolean done, List<String> comments) {}

    Reply ask(ObjectNode request) {
        return reply(send(post(request)));
    }

    /** What pictures cost. */
    Reply plan(ObjectNode request) {
        return reply(send(HttpRequest.newBuilder(base.resolve("/v1/vision/plan"))
                .header("content-type", "application/json")
                .timeout(TIMEOUT)
                .POST(HttpRequest.BodyPublishers.ofString(request.toString()))
                .build()));
    }

    JsonNode model(String name) {
        return reply(send(HttpRequest.newBuilder(base.resolve("/v1/models/" + name))
                        .timeout(TIMEOUT)
                        .build()))
                .body();
    }

    CompletableFuture<Reply> askLater(ObjectNode request) {
        return http.sendAsync(post(request), HttpResponse.BodyHandlers.ofString())
                .thenApply(ChatClient::reply);
    }

    /** In the name of the tenant who has this key. */
    CompletableFuture<Reply> askLater(ObjectNode request, String apiKey) {
        HttpRequest keyed = HttpRequest.newBuilder(post(request), (name, value) -> true)
                .header("authorization", "Bearer " + apiKey)
                .build();
        return http.sendAsync(keyed, HttpResponse.BodyHandlers.ofString()).thenApply(ChatClient::reply);
    }

    Reply postRaw(String contentType, HttpRequest.BodyPublisher body) {
        return reply(send(HttpRequest.newBuilder(base.resolve("/v1/chat/completions"))
                .header("content-type", contentType)
                .timeout(TIMEOUT)
                .POST(body)
                .build()));
    }

    /** Reads a stream to its end. */
    Streamed stream(ObjectNode request) {
        try (Stream<String> lines = openStream(request)) {
            List<JsonNode> chunks = new ArrayList<>();
            List<String> comments = new ArrayList<>();
            StringBuilder text = new StringBuilder();
            boolean[] done = {false};
            lines.forEach(line -> {
                if (line.startsWith(":")) {
                    comments.add(line);
                } else if (line.equals("data: [DONE]") || line.equals("data:[DONE]")) {
                    done[0] = true;
                } else if (line.startsWith("data:")) {
                    JsonNode chunk = JSON.readTree(line.substring(5));
                    chunks.add(chunk);
                    text.append(chunk.at("/choices/0/delta/content").asString(""));
                }
            });
            return new Streamed(text.toString(), chunks, done[0], comments);
        }
    }

    /** The lines of a stream as they come; closing it disconnects. */
    Stream<String> openStream(ObjectNode request) {
        ObjectNode streaming = request.deepCopy().put("stream", true);
        streaming.putObject("stream_options").put("include_usage", true);
        try {
            HttpResponse<Stream<String>> response = http.send(post(streaming), HttpResponse.BodyHandlers.ofLines());
            if (response.statusCode() != 200) {
                throw new AssertionError("stream refused with " + response.statusCode() + ": "
                        + String.join("\n", response.body().toList()));
            }
            return response.body();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    /** Models that can be asked about pictures. */
    List<String> models() {
        JsonNode body = reply(send(HttpRequest.newBuilder(base.resolve("/v1/models"))
                        .header("authorization", "Bearer " + KEY)
                        .timeout(TIMEOUT)
                        .build()))
                .body();
        List<String> ids = new ArrayList<>();
        for (JsonNode model : body.path("data")) {
            if (model.at("/vlm/input_modalities").toString().contains("\"image\"")) {
                ids.add(model.path("id").asString());
            }
        }
        return ids;
    }

    /** A greedy request of one user turn: pictures first, then the text. */
    static ObjectNode request(String model, String question, Path... pictures) {
        ObjectNode request = JSON.createObjectNode().put("model", model).put("temperature", 0);
        ArrayNode content =
                request.putArray("messages").addObject().put("role", "user").putArray("content");
        for (Path picture : pictures) {
            content.addObject().put("type", "image_url").putObject("image_url").put("url", dataUrl(picture));
        }
        content.addObject().put("type", "text").put("text", question);
        return request;
    }

    static String dataUrl(Path picture) {
        try {
            return dataUrl(Files.readAllBytes(picture));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static String dataUrl(byte[] content) {
        return "data:image/png;base64," + Base64.getEncoder().encodeToString(content);
    }

    /** The same picture in another file: a byte behind a picture's end is ignored. */
    static String withTrailer(String dataUrl, byte trailer) {
        byte[] content = Base64.getDecoder().decode(dataUrl.substring(dataUrl.indexOf(',') + 1));
        byte[] longer = Arrays.copyOf(content, content.length + 1);
        longer[content.length] = trailer;
        return dataUrl(longer);
    }

    private HttpRequest post(ObjectNode request) {
        return HttpRequest.newBuilder(base.resolve("/v1/chat/completions"))
                .header("content-type", "application/json")
                .timeout(TIMEOUT)
                .POST(HttpRequest.BodyPublishers.ofString(request.toString()))
                .build();
    }

    private HttpResponse<String> send(HttpRequest request) {
        try {
            return http.send(request, HttpResponse.BodyHandlers.ofString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    private static Reply reply(HttpResponse<String> response) {
        return new Reply(response.statusCode(), JSON.readTree(response.body()), response);
    }
}
