package org.vlmserve.launcher;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.vlmserve.media.FileFormat;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** One question to the gateway, over the API that any OpenAI client speaks. */
final class Question {

    private static final JsonMapper JSON = JsonMapper.builder().build();

    /** Nothing but its name tells what a URL leads to. */
    private static final Pattern VIDEO_URL =
            Pattern.compile("https?://[^?#]*\\.(mp4|m4v|mov|webm|mkv)([?#].*)?", Pattern.CASE_INSENSITIVE);

    private final String body;

    private Question(String body) {
        this.body = body;
    }

    /** An error that the gateway answered with, or that kept it from answering. */
    static final class FailedAnswer extends Exception {
        private final String code;

        FailedAnswer(String code, String message) {
            super(message);
            this.code = code;
        }

        String code() {
            return code;
        }
    }

    /**
     * @param finishReason {@code stop} or {@code length}
     * @param tokens of the answer; 0 when the gateway does not say
     */
    record Answer(String finishReason, int tokens) {}

    /**
     * @param pictures files of pictures or videos, which are read now, or http and https URLs, which the gateway fetches
     * @param directory what relative paths start from
     */
    static Question of(
            String model, @Nullable Integer maxTokens, List<String> pictures, String question, Path directory)
            throws IOException, FailedAnswer {
        ObjectNode request = JSON.createObjectNode();
        request.put("model", model).put("stream", true);
        request.putObject("stream_options").put("include_usage", true);
        if (maxTokens != null) {
            request.put("max_tokens", maxTokens);
        }
        ArrayNode content =
                request.putArray("messages").addObject().put("role", "user").putArray("content");
        for (String picture : pictures) {
            String url = url(picture, directory);
            String type =
                    url.startsWith("data:video/") || VIDEO_URL.matcher(url).matches() ? "video_url" : "image_url";
            content.addObject().put("type", type).putObject(type).put("url", url);
        }
        content.addObject().put("type", "text").put("text", question);
        return new Question(JSON.writeValueAsString(request));
    }

    private static String url(String picture, Path directory) throws IOException, FailedAnswer {
        if (picture.startsWith("http://") || picture.startsWith("https://")) {
            return picture;
        }
        Path file = directory.resolve(picture);
        if (!Files.isRegularFile(file)) {
            throw new FailedAnswer(
                    "picture_unreachable",
                    "no file " + file + "; expected a picture before the question, hint: put the question in quotes");
        }
        if (!Files.isReadable(file)) {
            throw new FailedAnswer("picture_unreachable", file + " cannot be read; expected a readable file");
        }
        byte[] bytes = Files.readAllBytes(file);
        return "data:" + mediaType(bytes, file) + ";base64,"
                + Base64.getEncoder().encodeToString(bytes);
    }

    /** By what is in the file, because names lie. A PDF is sent as it is: the gateway says what it takes. */
    static String mediaType(byte[] bytes, Path file) throws FailedAnswer {
        FileFormat format = FileFormat.of(bytes);
        if (!format.isPicture() && !format.isVideo() && format != FileFormat.PDF) {
            throw new FailedAnswer(
                    "picture_type_unsupported",
                    file + " is " + format.title()
                            + "; expected PNG, JPEG, WebP, TIFF, GIF or BMP, or a video in MP4 or WebM");
        }
        return format.mediaType();
    }

    /** Prints the answer as it arrives. */
    Answer ask(Http http, int port, PrintStream out) throws IOException, InterruptedException, FailedAnswer {
        HttpRequest request = HttpRequest.newBuilder(Http.uri(port, "/v1/chat/completions"))
                .header("Content-Type", "application/json")
                .header("Accept", "text/event-stream")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
        HttpResponse<InputStream> response = http.client().send(request, HttpResponse.BodyHandlers.ofInputStream());
        try (InputStream in = response.body()) {
            if (response.statusCode() != 200) {
                throw failure(new String(in.readAllBytes(), StandardCharsets.UTF_8), "HTTP " + response.statusCode());
            }
            return read(new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8)), out);
        }
    }

    private static Answer read(BufferedReader events, PrintStream out) throws IOException, FailedAnswer {
        String finishReason = "";
        int tokens = 0;
        for (String line = events.readLine(); line != null; line = events.readLine()) {
            if (!line.startsWith("data:")) {
                continue;
            }
            String data = line.substring("data:".length()).strip();
            if (data.equals("[DONE]")) {
                break;
            }
            JsonNode event = JSON.readTree(data);
            if (event.hasNonNull("error")) {
                throw failure(data, "the answer broke off");
            }
            JsonNode choice = event.path("choices").path(0);
            out.print(choice.path("delta").path("content").asString(""));
            out.flush();
            finishReason = choice.path("finish_reason").asString(finishReason);
            tokens = event.path("usage").path("completion_tokens").asInt(tokens);
        }
        if (finishReason.isEmpty()) {
            throw new FailedAnswer(
                    "internal",
                    "the answer broke off without an end; expected a finish reason, hint: vlm logs gateway");
        }
        return new Answer(finishReason, tokens);
    }

    private static FailedAnswer failure(String body, String otherwise) {
        try {
            JsonNode error = JSON.readTree(body).path("error");
            return new FailedAnswer(
                    error.path("code").asString("internal").toLowerCase(Locale.ROOT),
                    error.path("message").asString(otherwise));
        } catch (JacksonException notJson) {
            return new FailedAnswer(
                    "internal", otherwise + ": " + body.lines().findFirst().orElse("no text"));
        }
    }
}
