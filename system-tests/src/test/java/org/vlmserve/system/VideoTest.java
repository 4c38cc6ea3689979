package org.vlmserve.system;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.vlmserve.decoder.DecoderConfig;
import org.vlmserve.families.FamilyRegistry;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.importer.Precision;
import org.vlmserve.media.video.VideoWriter;
import org.vlmserve.messaging.AskRequest.PictureInput;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.FrameSampling;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.Sampling;
import org.vlmserve.testing.GoldenCase;
import org.vlmserve.testing.GoldenCheckpoint;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Videos through the suite: an MP4 file is answered as the stage classes joined in one process answer it, whatever form a
 * list of frames has makes no difference, and what is wrong with a video is said by a code. Two vision encoders share the
 * pairs of frames.
 */
final class VideoTest {

    private static final String MODEL = "nested-untied";
    private static final int MAX_TOKENS = 12;

    private static SuiteUnderTest suite;
    private static Map<String, Bundle> bundles;
    private static byte[] clip;

    @BeforeAll
    static void start() {
        bundles = new LinkedHashMap<>();
        FamilyRegistry families = FamilyRegistry.load();
        for (GoldenCheckpoint checkpoint : Goldens.find().checkpoints()) {
            Bundle bundle = Bundles.imported(checkpoint.directory(), Precision.FP32);
            boolean first = bundles.values().stream()
                    .noneMatch(other ->
                            other.manifest().family().equals(bundle.manifest().family()));
            boolean video = families.familyOf(bundle).preprocessor(bundle).frameSampler() != null;
            if (video || first) {
                bundles.put(checkpoint.name(), bundle);
            }
        }
        suite = SuiteUnderTest.start(bundles);
        suite.launch("vision-encoder", List.of());
        suite.awaitReady();
        // Three seconds at 10 frames a second.
        clip = VideoWriter.mp4(10).write(VideoWriter.colours(30, 96, 64));
    }

    @AfterAll
    static void stop() {
        suite.close();
    }

    private static boolean takesVideos(String model) {
        Bundle bundle = Objects.requireNonNull(bundles.get(model), model);
        return FamilyRegistry.load().familyOf(bundle).preprocessor(bundle).frameSampler() != null;
    }

    private static ObjectNode video(String model, JsonNode url) {
        ObjectNode request = ChatClient.request(model, "What happens?")
                .put("max_completion_tokens", MAX_TOKENS)
                .put("logprobs", true);
        ArrayNode content = request.withArray("messages").get(0).withArray("content");
        content.insertObject(0).put("type", "video_url").putObject("video_url").set("url", url);
        return request;
    }

    private static ObjectNode video(String model, byte[] file) {
        return video(model, ChatClient.JSON.getNodeFactory().stringNode("data:video/mp4;base64," + base64(file)));
    }

    private static String base64(byte[] file) {
        return Base64.getEncoder().encodeToString(file);
    }

    private static ObjectNode with(ObjectNode request, String name, double value) {
        ((ObjectNode) request.at("/messages/0/content/0/video_url")).put(name, value);
        return request;
    }

    @Test
    void a_file_is_answered_as_the_whole_answers_it() {
        for (Map.Entry<String, Bundle> bundle : bundles.entrySet()) {
            if (!takesVideos(bundle.getKey())) {
                continue;
            }
            List<FrameSampling> wishes = List.of(FrameSampling.DEFAULT, new FrameSampling(5.0, null));
            List<CompletableFuture<ChatClient.Reply>> split = List.of(
                    suite.client().askLater(video(bundle.getKey(), clip)),
                    suite.client().askLater(with(video(bundle.getKey(), clip), "fps", 5)));
            try (Whole whole = new Whole(bundle.getValue(), DecoderConfig.DEFAULTS, EngineOptions.ofThreads(1))) {
                for (int i = 0; i < wishes.size(); i++) {
                    ChatClient.Reply reply = split.get(i).join();
                    assertThat(reply.status()).as("%s", reply.body()).isEqualTo(200);
                    AnswerEvent.Finished finished = whole(whole, wishes.get(i));
                    assertThat(reply.text()).isEqualTo(finished.text());
                    assertThat(reply.body().at("/vlm/pictures/0/source/frames").asInt())
                            .isEqualTo(finished.pictures().getFirst().source().frames());
                    assertThat(reply.body()
                                    .at("/usage/prompt_tokens_details/image_tokens")
                                    .asInt())
                            .isEqualTo(finished.usage().pictureTokens())
                            .isEqualTo(reply.body().at("/vlm/pictures/0/tokens").asInt());
                }
            }
        }
    }

    private static AnswerEvent.Finished whole(Whole whole, FrameSampling wish) {
        Sampling greedy = new Sampling(
                MAX_TOKENS, null, 0.0, null, null, null, null, null, null, null, List.of(), 0, Map.of(), false);
        ChatTurn turn = new ChatTurn("user", List.of(new ChatTurn.Video(0), new ChatTurn.Text("What happens?")), false);
        PictureInput input = new PictureInput(new PictureFiles(Medium.VIDEO, List.of(clip), wish), PixelLimits.NONE);
        return (AnswerEvent.Finished)
                whole.answer(List.of(turn), List.of(input), greedy).getLast();
    }

    @Test
    void the_number_of_frames_follows_the_wish() {
        // 30 frames in 3 seconds; nested-untied brings 2 a second and at most 12.
        assertThat(frames(video(MODEL, clip))).isEqualTo(6);
        assertThat(frames(with(video(MODEL, clip), "fps", 4))).isEqualTo(12);
        assertThat(frames(with(video(MODEL, clip), "fps", 10))).isEqualTo(12);
        ObjectNode four = video(MODEL, clip);
        ((ObjectNode) four.at("/messages/0/content/0/video_url")).put("num_frames", 4);
        assertThat(frames(four)).isEqualTo(4);
        ObjectNode eight = video(MODEL, clip);
        eight.putObject("mm_processor_kwargs").put("num_frames", 8);
        assertThat(frames(eight)).isEqualTo(8);
    }

    private static int frames(ObjectNode request) {
        ChatClient.Reply reply = suite.client().ask(request.put("max_completion_tokens", 1));
        assertThat(reply.status()).as("%s", reply.body()).isEqualTo(200);
        ChatClient.Reply plan = suite.client().plan(GoldenRequests.planOf(request));
        assertThat(plan.body().at("/pictures/0")).isEqualTo(reply.body().at("/vlm/pictures/0"));
        return reply.body().at("/vlm/pictures/0/source/frames").asInt();
    }

    @Test
    void a_list_of_frames_may_have_any_of_three_forms() throws Exception {
        GoldenCase golden = Goldens.find().checkpoint("qwen2_vl", MODEL).caseNamed("video-odd");
        List<String> files = new ArrayList<>();
        for (var file : golden.filesOf(golden.pictures().getFirst())) {
            files.add(base64(Files.readAllBytes(file)));
        }
        ObjectNode listed = GoldenRequests.of(golden);
        ObjectNode joined = listed.deepCopy();
        ObjectNode part = (ObjectNode) joined.at("/messages/0/content/0");
        part.remove("video");
        part.put("type", "video_url")
                .putObject("video_url")
                .put("url", "data:video/jpeg;base64," + String.join(",", files));
        ObjectNode urls = joined.deepCopy();
        ArrayNode list = ((ObjectNode) urls.at("/messages/0/content/0/video_url")).putArray("url");
        files.forEach(file -> list.add("data:image/png;base64," + file));
        for (ObjectNode request : List.of(listed, joined, urls)) {
            ChatClient.Reply reply = suite.client().ask(request);
            assertThat(reply.status()).as("%s", reply.body()).isEqualTo(200);
            assertThat(reply.text()).isEqualTo(golden.text());
        }
    }

    @Test
    void what_is_wrong_with_a_video_is_said_by_a_code() {
        assertThat(refused(video(MODEL, "a text".getBytes(StandardCharsets.UTF_8)), 415))
                .isEqualTo("picture_type_unsupported");
        assertThat(refused(video(MODEL, Arrays.copyOf(clip, clip.length / 2)), 422))
                .isEqualTo("picture_unreadable");
        assertThat(refused(video(MODEL, Arrays.copyOf(clip, 40)), 422)).isEqualTo("picture_unreadable");
        ObjectNode many = video(MODEL, clip);
        ((ObjectNode) many.at("/messages/0/content/0/video_url")).put("num_frames", 31);
        assertThat(refused(many, 400)).isEqualTo("frame_sampling_invalid");
        ((ObjectNode) many.at("/messages/0/content/0/video_url")).put("num_frames", 1);
        assertThat(refused(many, 400)).isEqualTo("frame_sampling_invalid");
        ArrayNode frames = ChatClient.JSON.createArrayNode();
        String frame = ChatClient.dataUrl(Goldens.find().file("pictures/film-tiny-10x7/00.png"));
        for (int i = 0; i < 33; i++) {
            frames.add(frame);
        }
        assertThat(refused(video(MODEL, frames), 422)).isEqualTo("video_too_long");
        assertThat(refused(with(video(MODEL, frames), "fps", 2), 400)).isEqualTo("frame_sampling_invalid");
        assertThat(refused(video(MODEL, new byte[25 << 20]), 413)).isIn("picture_too_large", "request_too_large");
        // And the next one is answered.
        assertThat(suite.client().ask(video(MODEL, clip)).status()).isEqualTo(200);
    }

    private static String refused(ObjectNode request, int status) {
        ChatClient.Reply reply = suite.client().ask(request);
        assertThat(reply.status()).as("%s", reply.body()).isEqualTo(status);
        return reply.errorCode();
    }

    @Test
    void a_family_without_videos_says_so() {
        for (String model : bundles.keySet()) {
            if (!takesVideos(model)) {
                assertThat(refused(video(model, clip), 422)).isEqualTo("medium_unsupported");
            }
        }
    }
}
