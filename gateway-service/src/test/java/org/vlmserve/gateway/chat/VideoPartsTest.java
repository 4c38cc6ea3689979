package org.vlmserve.gateway.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.util.unit.DataSize;
import org.vlmserve.gateway.chat.ChatRequest.WantedPicture;
import org.vlmserve.gateway.config.ApiConfig;
import org.vlmserve.gateway.config.ApiConfig.UnknownFields;
import org.vlmserve.gateway.config.DetailConfig;
import org.vlmserve.gateway.config.RequestConfig;
import org.vlmserve.gateway.http.MemoryBudget;
import org.vlmserve.gateway.picture.PictureUrl;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.FrameSampling;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.Rendering;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

class VideoPartsTest {

    private static final String CLIP = "https://example.org/clip.mp4";

    private final ChatRequestParser parser = new ChatRequestParser(
            new RequestConfig(
                    Duration.ofMinutes(5),
                    DataSize.ofMegabytes(28),
                    DataSize.ofMegabytes(24),
                    2,
                    DataSize.ofKilobytes(64)),
            new DetailConfig(200_704, null, 1_000_000L),
            new ApiConfig(UnknownFields.IGNORE));

    /** A request with this one part, in single quotes for brevity. */
    private ChatRequest part(String part, String fields) {
        String json = "{'model':'m'" + fields + ",'messages':[{'role':'user','content':[" + part + "]}]}";
        return parser.parse(json.replace('\'', '"').getBytes(StandardCharsets.UTF_8), MemoryBudget.UNBOUNDED);
    }

    private ChatRequest part(String part) {
        return part(part, "");
    }

    private static WantedPicture only(ChatRequest request) {
        assertThat(request.turns().getFirst().parts()).containsExactly(new ChatTurn.Video(0));
        assertThat(request.pictures()).hasSize(1);
        assertThat(request.pictures().getFirst().medium()).isEqualTo(Medium.VIDEO);
        return request.pictures().getFirst();
    }

    @Test
    void aVideoIsAUrlInAnObjectOrInThePartItself() {
        assertThat(only(part("{'type':'video_url','video_url':{'url':'" + CLIP + "'}}"))
                        .sources())
                .containsExactly(new PictureUrl.Remote(CLIP, "messages[0].content[0].video_url.url"));
        assertThat(only(part("{'type':'video','video':'" + CLIP + "'}")).sources())
                .containsExactly(new PictureUrl.Remote(CLIP, "messages[0].content[0].video"));
    }

    @Test
    void aFilesOwnRenderingComesBeforeThatOfTheRequest() {
        String video = "{'type':'video_url','video_url':{'url':'" + CLIP + "'%s}}";
        String picture = "{'type':'image_url','image_url':{'url':'" + CLIP + "'%s}}";
        String all = ",'mm_processor_kwargs':{'rendering':'reference'}";
        for (String part : List.of(video, picture)) {
            assertThat(part(part.formatted("")).pictures().getFirst().rendering())
                    .isNull();
            assertThat(part(part.formatted(""), all).pictures().getFirst().rendering())
                    .isEqualTo(Rendering.REFERENCE);
            assertThat(part(part.formatted(",'rendering':'viewer'"), all)
                            .pictures()
                            .getFirst()
                            .rendering())
                    .isEqualTo(Rendering.VIEWER);
            VlmException unknown =
                    catchThrowableOfType(VlmException.class, () -> part(part.formatted(",'rendering':'black'")));
            assertThat(unknown.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
            assertThat(unknown.param()).endsWith("_url.rendering");
        }
    }

    @Test
    void framesAreAListOfUrls() {
        assertThat(only(part("{'type':'video_url','video_url':{'url':['" + CLIP + "','" + CLIP + "']}}"))
                        .sources())
                .containsExactly(
                        new PictureUrl.Remote(CLIP, "messages[0].content[0].video_url.url[0]"),
                        new PictureUrl.Remote(CLIP, "messages[0].content[0].video_url.url[1]"));
        assertThat(only(part("{'type':'video','video':['" + CLIP + "','data:image/png;base64,QUJD']}"))
                        .sources())
                .hasSize(2);
    }

    @Test
    void longFramesAreCutOutOfTheBodyAndComeBackWhole() {
        List<String> frames = IntStream.range(0, 3)
                .mapToObj(i -> Base64.getEncoder().encodeToString(new byte[3000 + i]))
                .toList();
        PictureUrl.Inline joined =
                (PictureUrl.Inline) only(part("{'type':'video_url','video_url':{'url':'data:video/jpeg;base64,"
                                + String.join(",", frames) + "'}}"))
                        .sources()
                        .getFirst();
        assertThat(joined.decodeVideo(10_000, size -> {}))
                .extracting(file -> file.length)
                .containsExactly(3000, 3001, 3002);
        String list = frames.stream()
                .map(frame -> "'data:image/jpeg;base64," + frame + "'")
                .collect(Collectors.joining(",", "[", "]"));
        assertThat(only(part("{'type':'video','video':" + list + "}")).sources())
                .extracting(source -> ((PictureUrl.Inline) source).decode(10_000, size -> {}).length)
                .containsExactly(3000, 3001, 3002);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'fps':0.5 | `` | 0.5 |",
                "'num_frames':8 | `` | | 8",
                "`` | ,'mm_processor_kwargs':{'fps':4} | 4 |",
                "`` | ,'mm_processor_kwargs':{'num_frames':6} | | 6",
                "'fps':1 | ,'mm_processor_kwargs':{'num_frames':6} | 1 |",
                "`` | `` | |",
            })
    void theVideosOwnWishComesBeforeTheRequests(String own, String fields, Double fps, Integer numFrames) {
        String comma = own.isEmpty() ? "" : ",";
        FrameSampling expected = new FrameSampling(fps, numFrames);
        assertThat(only(part("{'type':'video_url','video_url':{'url':'" + CLIP + "'" + comma + own + "}}", fields))
                        .sampling())
                .isEqualTo(expected);
        assertThat(only(part("{'type':'video','video':'" + CLIP + "'" + comma + own + "}", fields))
                        .sampling())
                .isEqualTo(expected);
    }

    @Test
    void limitsHoldForEachFrameAndDetailForNone() {
        assertThat(only(part("{'type':'video','video':'" + CLIP + "','min_pixels':5,'max_pixels':9}"))
                        .limits())
                .isEqualTo(new PixelLimits(5L, 9L));
        assertThat(only(part("{'type':'video','video':'" + CLIP + "'}", ",'mm_processor_kwargs':{'max_pixels':9}"))
                        .limits())
                .isEqualTo(new PixelLimits(null, 9L));
        assertThat(only(part("{'type':'video','video':'" + CLIP + "'}")).limits())
                .isEqualTo(PixelLimits.NONE);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{'type':'video_url'} | INVALID_REQUEST | video_url",
                "{'type':'video_url','video_url':{}} | INVALID_REQUEST | video_url.url",
                "{'type':'video_url','video_url':{'url':7}} | INVALID_REQUEST | video_url.url",
                "{'type':'video_url','video_url':{'url':[]}} | INVALID_REQUEST | video_url.url",
                "{'type':'video_url','video_url':{'url':['data:,',7]}} | INVALID_REQUEST | video_url.url[1]",
                "{'type':'video','video':'a','detail':'low'} | UNSUPPORTED_FIELD | detail",
                "{'type':'video','video':'a','url':'b'} | INVALID_REQUEST | url",
                "{'type':'video_url','video_url':{'url':'a','fps':0}} | INVALID_REQUEST | video_url.fps",
                "{'type':'video_url','video_url':{'url':'a','num_frames':0}} | INVALID_REQUEST | video_url.num_frames",
                "{'type':'video_url','video_url':{'url':'a','fps':1,'num_frames':4}} | INVALID_REQUEST | video_url.fps",
                "{'type':'video','video':'a','fps':'2'} | INVALID_REQUEST | fps",
                "{'type':'video','video':'a','nframes':2} | UNSUPPORTED_FIELD | nframes",
                "{'type':'video','video':'a','min_pixels':9,'max_pixels':5} | PIXEL_LIMITS_INVALID | ``",
            })
    void whatIsWrongIsNamed(String part, ErrorCode code, String at) {
        VlmException refused = catchThrowableOfType(VlmException.class, () -> part(part));
        assertThat(refused.code()).isEqualTo(code);
        assertThat(refused.param()).isEqualTo("messages[0].content[0]" + (at.equals("``") ? "" : "." + at));
    }

    @Test
    void onlyAUserShowsVideosAndTheyCountAsPictures() {
        String json = "{'model':'m','messages':[{'role':'assistant','content':[{'type':'video','video':'a'}]}]}";
        VlmException assistant = catchThrowableOfType(
                VlmException.class,
                () -> parser.parse(json.replace('\'', '"').getBytes(StandardCharsets.UTF_8), MemoryBudget.UNBOUNDED));
        assertThat(assistant.param()).isEqualTo("messages[0].content[0].type");
        String video = "{'type':'video','video':'" + CLIP + "'}";
        VlmException many = catchThrowableOfType(VlmException.class, () -> part(video + "," + video + "," + video));
        assertThat(many).hasMessageContaining("more than 2 pictures");
    }

    @Test
    void aPlanTakesVideosToo() {
        String json = "{'model':'m','pictures':[{'type':'video_url','video_url':{'url':'" + CLIP
                + "','num_frames':8}},{'type':'size','size':{'width':640,'height':360,'frames':8}}]}";
        PlanCall plan =
                parser.parsePlan(json.replace('\'', '"').getBytes(StandardCharsets.UTF_8), MemoryBudget.UNBOUNDED);
        assertThat(plan.wanted())
                .containsExactly(new WantedPicture(
                        Medium.VIDEO,
                        List.of(new PictureUrl.Remote(CLIP, "pictures[0].video_url.url")),
                        new FrameSampling(null, 8),
                        PixelLimits.NONE,
                        null));
    }
}
