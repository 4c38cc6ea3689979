package org.vlmserve.system;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.DeflaterOutputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.importer.Precision;
import org.vlmserve.testing.GoldenCase;
import org.vlmserve.testing.GoldenCheckpoint;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.node.ObjectNode;

/**
 * The wrong thing gets a clear error, and the suite answers the next question as if nothing had happened. What a family
 * could take differently is tried on one checkpoint of each.
 */
final class HostileInputTest {

    private static final String MODEL = "nested-untied";
    private static final Path PICTURES = Goldens.find().file("pictures");

    private static SuiteUnderTest suite;

    /** One of each family; the names are those of the models. */
    static List<GoldenCheckpoint> families() {
        Map<String, GoldenCheckpoint> first = new LinkedHashMap<>();
        GoldenCheckpoint usual = Goldens.find().checkpoint("qwen2_vl", MODEL);
        first.put(usual.family(), usual);
        Goldens.find().checkpoints().forEach(checkpoint -> first.putIfAbsent(checkpoint.family(), checkpoint));
        return List.copyOf(first.values());
    }

    @BeforeAll
    static void start() {
        Map<String, Bundle> bundles = new LinkedHashMap<>();
        for (GoldenCheckpoint checkpoint : families()) {
            bundles.put(checkpoint.name(), Bundles.imported(checkpoint, Precision.FP32));
        }
        suite = SuiteUnderTest.start(bundles);
    }

    @AfterAll
    static void stop() {
        suite.close();
    }

    /** Whatever a test did, a golden question still gets the golden answer. */
    @AfterEach
    void the_suite_goes_on() {
        GoldenCase golden = Goldens.find().checkpoint("qwen2_vl", MODEL).cases().stream()
                .filter(candidate -> candidate.pictures().size() == 1)
                .findFirst()
                .orElseThrow();
        ChatClient.Reply reply = suite.client().ask(GoldenRequests.of(golden));
        assertThat(reply.status()).as("%s", reply.body()).isEqualTo(200);
        assertThat(reply.text()).isEqualTo(golden.text());
    }

    @Test
    void a_truncated_picture_is_unreadable() throws IOException {
        byte[] whole = Files.readAllBytes(anyPicture());
        ChatClient.Reply reply = ask(Arrays.copyOf(whole, whole.length / 2));
        assertThat(reply.status()).as("%s", reply.body()).isEqualTo(422);
        assertThat(reply.errorCode()).isEqualTo("picture_unreadable");
    }

    @Test
    void a_tiny_file_of_2500_megapixels_is_refused_with_count_and_limit() throws IOException {
        ChatClient.Reply reply = ask(blackPng(50_000, 50_000));
        assertThat(reply.status()).as("%s", reply.body()).isEqualTo(422);
        assertThat(reply.errorCode()).isEqualTo("picture_too_many_pixels");
        assertThat(reply.body().at("/error/message").asString())
                .contains("50000")
                .containsPattern("\\d{6,}");
    }

    @Test
    void an_aspect_ratio_over_200_is_refused() throws IOException {
        ChatClient.Reply reply = ask(blackPng(2010, 10));
        assertThat(reply.status()).as("%s", reply.body()).isEqualTo(422);
        assertThat(reply.errorCode()).isEqualTo("picture_aspect_ratio");
    }

    /** Whether such a picture is taken is the family's own rule; a plan and a question must agree on it. */
    @ParameterizedTest
    @MethodSource("families")
    void a_long_and_thin_picture_is_answered_or_refused_as_its_plan_is(GoldenCheckpoint checkpoint) throws IOException {
        for (byte[] picture : new byte[][] {blackPng(2010, 10), blackPng(10, 2010), blackPng(1, 1), blackPng(1, 190)}) {
            ChatClient.Reply plan = plan(checkpoint.name(), picture);
            ChatClient.Reply reply = ask(checkpoint.name(), picture);
            assertThat(reply.status()).as("%s", reply.body()).isEqualTo(plan.status());
            if (plan.status() == 200) {
                assertThat(reply.body().at("/vlm/pictures/0"))
                        .isEqualTo(plan.body().at("/pictures/0"));
                assertThat(reply.body().at("/usage/prompt_tokens_details/image_tokens"))
                        .isEqualTo(plan.body().at("/tokens"));
            } else {
                assertThat(plan.status()).isEqualTo(422);
                assertThat(plan.errorCode()).isEqualTo("picture_aspect_ratio");
                assertThat(reply.errorCode()).isEqualTo("picture_aspect_ratio");
            }
        }
    }

    @ParameterizedTest
    @MethodSource("families")
    void a_picture_without_pixels_is_unreadable(GoldenCheckpoint checkpoint) throws IOException {
        for (byte[] picture : new byte[][] {blackPng(0, 10), blackPng(10, 0)}) {
            ChatClient.Reply reply = ask(checkpoint.name(), picture);
            assertThat(reply.status()).as("%s", reply.body()).isEqualTo(422);
            assertThat(reply.errorCode()).isEqualTo("picture_unreadable");
            assertThat(plan(checkpoint.name(), picture).errorCode()).isEqualTo("picture_unreadable");
        }
    }

    @ParameterizedTest
    @MethodSource("families")
    void a_huge_picture_is_refused_with_count_and_limit(GoldenCheckpoint checkpoint) throws IOException {
        byte[] picture = header(40_000, 30_000).toByteArray();
        for (ChatClient.Reply reply : List.of(ask(checkpoint.name(), picture), plan(checkpoint.name(), picture))) {
            assertThat(reply.status()).as("%s", reply.body()).isEqualTo(422);
            assertThat(reply.errorCode()).isEqualTo("picture_too_many_pixels");
            assertThat(reply.body().at("/error/message").asString())
                    .contains("1200000000")
                    .contains("100000000 ");
        }
    }

    /** The text that stands for a picture in the prompt makes no place for one, and takes no one's place. */
    @ParameterizedTest
    @MethodSource("families")
    void a_text_that_imitates_a_picture_is_text(GoldenCheckpoint checkpoint) throws IOException {
        Bundle bundle = Bundles.imported(checkpoint, Precision.FP32);
        String text = bundle.manifest().prompt().path("imageToken").asString();
        assertThat(text).isNotEmpty();
        ChatClient.Reply plain = suite.client().ask(ChatClient.request(checkpoint.name(), "See", anyPicture()));
        ChatClient.Reply reply = suite.client().ask(ChatClient.request(checkpoint.name(), "See " + text, anyPicture()));
        assertThat(reply.status()).as("%s", reply.body()).isEqualTo(200);
        assertThat(pictureTokens(reply)).isEqualTo(pictureTokens(plain));
        assertThat(promptTokens(reply)).isGreaterThan(promptTokens(plain) + 1);
        // One family answers about pictures only, and must say that there is none.
        ChatClient.Reply alone = suite.client().ask(ChatClient.request(checkpoint.name(), text));
        assertThat(alone.status() == 200 || alone.errorCode().equals("prompt_unsupported"))
                .as("%s", alone.body())
                .isTrue();
        assertThat(pictureTokens(alone)).isZero();
    }

    private static int pictureTokens(ChatClient.Reply reply) {
        return reply.body().at("/usage/prompt_tokens_details/image_tokens").asInt();
    }

    private static int promptTokens(ChatClient.Reply reply) {
        return reply.body().at("/usage/prompt_tokens").asInt();
    }

    @Test
    void a_body_of_30_megabytes_is_refused_with_413() {
        byte[] body = new byte[30 << 20];
        Arrays.fill(body, (byte) ' ');
        ChatClient.Reply reply =
                suite.client().postRaw("application/json", HttpRequest.BodyPublishers.ofByteArray(body));
        assertThat(reply.status()).isIn(400, 413);
        ObjectNode request = ChatClient.request(MODEL, "What is it?");
        request.withArray("messages")
                .get(0)
                .withArray("content")
                .insertObject(0)
                .put("type", "image_url")
                .putObject("image_url")
                .put("url", ChatClient.dataUrl(body));
        ChatClient.Reply picture = suite.client().ask(request);
        assertThat(picture.status()).as("%s", picture.body()).isEqualTo(413);
        assertThat(picture.body().at("/error/message").asString()).isNotBlank();
    }

    @Test
    void a_url_to_a_private_address_is_refused() {
        for (String url : new String[] {
            "http://127.0.0.1/a.png", "http://localhost:9090/a.png", "http://[::1]/a.png", "http://2130706433/a.png",
            "http://0x7f.1/a.png", "http://10.0.0.1/a.png", "http://169.254.169.254/latest/meta-data",
                    "http://[::ffff:127.0.0.1]/a.png"
        }) {
            ObjectNode request = ChatClient.request(MODEL, "What is it?");
            request.withArray("messages")
                    .get(0)
                    .withArray("content")
                    .insertObject(0)
                    .put("type", "image_url")
                    .putObject("image_url")
                    .put("url", url);
            ChatClient.Reply reply = suite.client().ask(request);
            assertThat(reply.status()).as("%s: %s", url, reply.body()).isEqualTo(400);
            assertThat(reply.errorCode()).as(url).isEqualTo("picture_url_refused");
        }
    }

    /** The reference takes control tokens in a text for what they are, which is another test's: here they are longer than tokens. */
    @Test
    void template_code_and_control_tokens_in_a_question_stay_text() {
        GoldenCase golden = Goldens.find().checkpoint("qwen2_vl", MODEL).cases().stream()
                .filter(candidate -> candidate.request().messages().toString().contains("{{"))
                .findFirst()
                .orElseThrow();
        ChatClient.Reply reply = suite.client().ask(GoldenRequests.of(golden));
        assertThat(reply.status()).as("%s", reply.body()).isEqualTo(200);
        assertThat(promptTokens(reply)).isGreaterThan(golden.promptTokens());
    }

    @Test
    void a_wrong_model_name_is_not_found() {
        ChatClient.Reply reply = suite.client().ask(ChatClient.request("no-such-model", "Hello"));
        assertThat(reply.status()).isEqualTo(404);
        assertThat(reply.errorCode()).isEqualTo("model_not_found");
        assertThat(reply.body().at("/error/message").asString())
                .contains("no-such-model")
                .contains("/v1/models");
    }

    @ParameterizedTest
    @MethodSource("families")
    void a_prompt_beyond_the_context_is_refused_with_count_and_limit(GoldenCheckpoint checkpoint) throws IOException {
        int context = suite.client()
                .model(checkpoint.name())
                .at("/vlm/context_length")
                .asInt();
        ObjectNode request = ChatClient.request(checkpoint.name(), "word ".repeat(40_000), anyPicture());
        ChatClient.Reply reply = suite.client().ask(request);
        assertThat(reply.status()).as("%s", reply.body()).isEqualTo(422);
        assertThat(reply.errorCode()).isEqualTo("prompt_too_long");
        assertThat(reply.body().at("/error/message").asString())
                .containsPattern("prompt of \\d{5,} tokens")
                .contains("" + context);
        ObjectNode answer = ChatClient.request(checkpoint.name(), "word", anyPicture());
        ChatClient.Reply clamped =
                suite.client().ask(answer.put("max_completion_tokens", context).put("stop", "e"));
        assertThat(clamped.status()).as("%s", clamped.body()).isEqualTo(200);
        assertThat(clamped.body().at("/vlm/notes/0").asString())
                .contains("max_tokens is " + context)
                .contains("leaves");
    }

    @Test
    void bytes_that_are_no_picture_are_refused() {
        ChatClient.Reply reply = ask("<svg xmlns='http://www.w3.org/2000/svg'/>".getBytes(StandardCharsets.UTF_8));
        assertThat(reply.status()).as("%s", reply.body()).isEqualTo(415);
    }

    private static ChatClient.Reply ask(byte[] picture) {
        return ask(MODEL, picture);
    }

    private static ChatClient.Reply plan(String model, byte[] picture) {
        ObjectNode request = ChatClient.JSON.createObjectNode().put("model", model);
        request.putArray("pictures")
                .addObject()
                .put("type", "image_url")
                .putObject("image_url")
                .put("url", ChatClient.dataUrl(picture));
        return suite.client().plan(request);
    }

    private static ChatClient.Reply ask(String model, byte[] picture) {
        ObjectNode request = ChatClient.request(model, "What is it?").put("max_completion_tokens", 1);
        request.withArray("messages")
                .get(0)
                .withArray("content")
                .insertObject(0)
                .put("type", "image_url")
                .putObject("image_url")
                .put("url", ChatClient.dataUrl(picture));
        return suite.client().ask(request);
    }

    private static Path anyPicture() throws IOException {
        try (var files = Files.list(PICTURES)) {
            return files.filter(file -> file.toString().endsWith(".png"))
                    .findFirst()
                    .orElseThrow();
        }
    }

    /** The beginning of a one-bit PNG: all that may be read of one that is too large. */
    private static ByteArrayOutputStream header(int width, int height) throws IOException {
        ByteArrayOutputStream png = new ByteArrayOutputStream();
        png.write(new byte[] {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'});
        ByteArrayOutputStream header = new ByteArrayOutputStream();
        DataOutputStream fields = new DataOutputStream(header);
        fields.writeInt(width);
        fields.writeInt(height);
        fields.write(new byte[] {1, 0, 0, 0, 0});
        chunk(png, "IHDR", header.toByteArray());
        return png;
    }

    /** A valid one-bit PNG, compressed to almost nothing. */
    private static byte[] blackPng(int width, int height) throws IOException {
        ByteArrayOutputStream png = header(width, height);
        ByteArrayOutputStream pixels = new ByteArrayOutputStream();
        try (DeflaterOutputStream deflater = new DeflaterOutputStream(pixels)) {
            byte[] row = new byte[1 + (width + 7) / 8];
            for (int y = 0; y < height; y++) {
                deflater.write(row);
            }
        }
        chunk(png, "IDAT", pixels.toByteArray());
        chunk(png, "IEND", new byte[0]);
        return png.toByteArray();
    }

    private static void chunk(ByteArrayOutputStream png, String type, byte[] data) throws IOException {
        DataOutputStream out = new DataOutputStream(png);
        out.writeInt(data.length);
        byte[] name = type.getBytes(StandardCharsets.US_ASCII);
        out.write(name);
        out.write(data);
        CRC32 crc = new CRC32();
        crc.update(name);
        crc.update(data);
        out.writeInt((int) crc.getValue());
    }
}
