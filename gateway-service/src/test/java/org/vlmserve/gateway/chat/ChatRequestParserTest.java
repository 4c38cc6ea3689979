package org.vlmserve.gateway.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.util.unit.DataSize;
import org.vlmserve.gateway.Pictures;
import org.vlmserve.gateway.config.DetailConfig;
import org.vlmserve.gateway.config.RequestConfig;
import org.vlmserve.gateway.picture.PictureUrl;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.Sampling;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

class ChatRequestParserTest {

    private final ChatRequestParser parser = new ChatRequestParser(
            new RequestConfig(
                    Duration.ofMinutes(5),
                    DataSize.ofMegabytes(28),
                    DataSize.ofMegabytes(24),
                    2,
                    DataSize.ofKilobytes(64)),
            new DetailConfig(200_704, null, 1_000_000L));

    private ChatRequest parse(String json) {
        return parser.parse(json.getBytes(StandardCharsets.UTF_8));
    }

    /** A request with this among its fields, in single quotes for brevity. */
    private ChatRequest with(String fields) {
        return parse(("{'model':'m','messages':[{'role':'user','content':'Hi'}]," + fields + "}").replace('\'', '"'));
    }

    private ChatRequest messages(String messages) {
        return parse(("{'model':'m','messages':" + messages + "}").replace('\'', '"'));
    }

    private VlmException refusedMessages(String messages) {
        return catchThrowableOfType(VlmException.class, () -> messages(messages));
    }

    private VlmException refused(String fields) {
        return catchThrowableOfType(VlmException.class, () -> with(fields));
    }

    private ChatRequest picture(String imageUrl) {
        return picture(imageUrl, "");
    }

    private ChatRequest picture(String imageUrl, String fields) {
        return parse(
                ("{'model':'m'" + fields + ",'messages':[{'role':'user','content':[{'type':'image_url','image_url':"
                                + imageUrl + "}]}]}")
                        .replace('\'', '"'));
    }

    @Test
    void leastRequestTakesTheCheckpointsDefaults() {
        ChatRequest request = messages("[{'role':'user','content':'Hi'}]");

        assertThat(request)
                .isEqualTo(new ChatRequest(
                        "m",
                        List.of(new ChatTurn("user", List.of(new ChatTurn.Text("Hi")), true)),
                        "{}",
                        List.of(),
                        Sampling.DEFAULTS,
                        false,
                        false));
    }

    @Test
    void everySamplingFieldArrives() {
        Sampling sampling = with("'max_tokens':7,'min_tokens':2,'temperature':0.5,'top_p':0.9,'top_k':40,'min_p':0.1,"
                        + "'repetition_penalty':1.1,'presence_penalty':-1,'frequency_penalty':2,'seed':-5,"
                        + "'stop':['a','b'],'logprobs':true,'top_logprobs':3,'logit_bias':{'17':-100},'ignore_eos':true")
                .sampling();

        assertThat(sampling)
                .isEqualTo(new Sampling(
                        7, 2, 0.5, 0.9, 40, 0.1, 1.1, -1.0, 2.0, -5L, List.of("a", "b"), 3, Map.of(17, -100.0), true));
    }

    @Test
    void spellingsOfOneWishAreOne() {
        assertThat(with("'max_completion_tokens':7").sampling().maxTokens()).isEqualTo(7);
        assertThat(with("'max_completion_tokens':7,'max_tokens':7").sampling().maxTokens())
                .isEqualTo(7);
        assertThat(with("'stop':'a'").sampling().stop()).containsExactly("a");
        assertThat(with("'logprobs':true").sampling().topLogprobs()).isZero();
        assertThat(with("'logprobs':false").sampling().topLogprobs()).isNull();
        assertThat(with("'top_k':-1").sampling().topK()).isZero();
        assertThat(with("'temperature':null,'tools':null").sampling()).isEqualTo(Sampling.DEFAULTS);
        assertThat(with("'stream':true,'stream_options':{'include_usage':true}").includeUsage())
                .isTrue();
    }

    @Test
    void templateArgumentsArriveAsTheyWere() {
        String data = "data:" + "a".repeat(2000);
        assertThat(with("'chat_template_kwargs':{'add_vision_id':true,'n':-3,'x':[1.5,null,{'s':'" + data + "'}]}")
                        .templateArguments())
                .isEqualTo("{'add_vision_id':true,'n':-3,'x':[1.5,null,{'s':'%s'}]}".replace('\'', '"'), data);
        assertThat(with("'chat_template_kwargs':null").templateArguments()).isEqualTo("{}");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'messages':[]} | chat_template_kwargs.messages | invalid_request",
                "{'add_generation_prompt':false} | chat_template_kwargs.add_generation_prompt | invalid_request",
                "{'tools':[]} | chat_template_kwargs.tools | invalid_request",
                "[] | chat_template_kwargs | invalid_request",
                "'text' | chat_template_kwargs | invalid_request",
                "{'n':123456789012345678901234567890} | chat_template_kwargs | invalid_request",
                "{'s':'LONG'} | chat_template_kwargs | request_too_large",
            })
    void templateArgumentsThatDecideOnMoreThanTheTemplateAreRefused(String arguments, String param, String code) {
        VlmException error = catchThrowableOfType(
                VlmException.class,
                () -> with("'chat_template_kwargs':" + arguments.replace("LONG", "x".repeat(16 << 10))));
        assertThat(error.param()).isEqualTo(param);
        assertThat(error.code().wireName()).isEqualTo(code);
    }

    private PlanCall plan(String fields) {
        return parser.parsePlan(
                ("{'model':'m'," + fields + "}").replace('\'', '"').getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void aPlanTakesPicturesAndSizes() {
        PlanCall plan = plan("'mm_processor_kwargs':{'max_pixels':5000},'pictures':["
                + "{'type':'size','size':{'width':3,'height':4}},"
                + "{'type':'image_url','image_url':{'url':'https://a/b','max_pixels':7000}}]");
        assertThat(plan.pictures().get(0).size()).isEqualTo(PictureSource.still(3, 4));
        assertThat(plan.pictures().get(0).limits()).isEqualTo(new PixelLimits(null, 5000L));
        assertThat(plan.pictures().get(1).size()).isNull();
        assertThat(plan.pictures().get(1).limits()).isEqualTo(new PixelLimits(null, 7000L));
        assertThat(plan.wanted()).hasSize(1);
        PlanCall.Part video =
                plan("'pictures':[{'type':'size','size':{'width':3,'height':4,'frames':9,'min_pixels':10}}]")
                        .pictures()
                        .getFirst();
        assertThat(video.size()).isEqualTo(new PictureSource(Medium.VIDEO, 9, 3, 4));
        assertThat(video.limits()).isEqualTo(new PixelLimits(10L, 1_000_000L));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'pictures':[] | pictures",
                "'pictures':{} | pictures",
                "'other':1,'pictures':[{'type':'size','size':{'width':3,'height':4}}] | other",
                "'pictures':[{'type':'text','text':'a'}] | pictures[0].type",
                "'pictures':[{'type':'size'}] | pictures[0].size",
                "'pictures':[{'type':'size','size':{'width':0,'height':4}}] | pictures[0].size.width",
                "'pictures':[{'type':'size','size':{'width':3}}] | pictures[0].size.height",
                "'pictures':[{'type':'size','size':{'width':3,'height':4,'frames':0}}] | pictures[0].size.frames",
                "'pictures':[{'type':'size','size':{'width':3,'height':4,'min_pixels':9,'max_pixels':8}}] | pictures[0].size",
                "'pictures':[{'type':'size','size':{'width':3,'height':4},'detail':'low'}] | pictures[0].detail",
            })
    void aPlanThatIsWrongNamesTheField(String fields, String param) {
        assertThat(catchThrowableOfType(VlmException.class, () -> plan(fields)).param())
                .isEqualTo(param);
    }

    @Test
    void harmlessFieldsAreTaken() {
        assertThat(with("'user':'u','safety_identifier':'s','prompt_cache_key':'p','prompt_cache_retention':'24h',"
                                + "'metadata':{'a':'b'},'store':false,'n':1,'service_tier':'auto',"
                                + "'modalities':['text'],'response_format':{'type':'text'}")
                        .sampling())
                .isEqualTo(Sampling.DEFAULTS);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "'tools':[]",
                "'tool_choice':'none'",
                "'functions':[]",
                "'function_call':'auto'",
                "'audio':{}",
                "'prediction':{}",
                "'parallel_tool_calls':true",
                "'stop_token_ids':[1]",
                "'reasoning_effort':'low'",
                "'verbosity':'low'",
                "'web_search_options':{}",
                "'store':true",
                "'n':2",
                "'service_tier':'flex'",
                "'modalities':['text','audio']",
                "'response_format':{'type':'json_object'}",
                "'best_of':2",
                "'response_format':{'type':'json_schema','json_schema':{}}",
                "'no_such_field':1"
            })
    void unsupportedFieldsAreNamed(String field) {
        VlmException error = refused(field);

        assertThat(error.code()).isEqualTo(ErrorCode.UNSUPPORTED_FIELD);
        assertThat(error.param()).isEqualTo(field.substring(1, field.indexOf('\'', 1)));
        assertThat(error).hasMessageStartingWith(error.param());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "'temperature':2.1 | temperature",
                "'temperature':-0.1 | temperature",
                "'temperature':'hot' | temperature",
                "'temperature':1e999 | temperature",
                "'top_p':0 | top_p",
                "'top_p':1.5 | top_p",
                "'min_p':2 | min_p",
                "'repetition_penalty':0 | repetition_penalty",
                "'presence_penalty':-3 | presence_penalty",
                "'frequency_penalty':2.5 | frequency_penalty",
                "'max_tokens':0 | max_tokens",
                "'max_tokens':1.5 | max_tokens",
                "'max_tokens':'7' | max_tokens",
                "'max_tokens':99999999999 | max_tokens",
                "'max_tokens':5,'max_completion_tokens':6 | max_tokens",
                "'max_tokens':5,'min_tokens':6 | min_tokens",
                "'top_k':-2 | top_k",
                "'seed':1e30 | seed",
                "'seed':99999999999999999999 | seed",
                "'top_logprobs':5 | top_logprobs",
                "'logprobs':true,'top_logprobs':21 | top_logprobs",
                "'logprobs':1 | logprobs",
                "'stop':'' | stop",
                "'stop':['a',1] | stop[1]",
                "'stop':7 | stop",
                "'logit_bias':[1] | logit_bias",
                "'logit_bias':{'x':1} | logit_bias",
                "'logit_bias':{'5':101} | logit_bias.5",
                "'stream':'yes' | stream",
                "'stream_options':{'include_usage':true} | stream_options",
                "'stream':true,'stream_options':[] | stream_options",
                "'metadata':{'a':1} | metadata.a",
                "'user':7 | user",
                "'n':0 | n",
                "'mm_processor_kwargs':{'min_pixels':0} | mm_processor_kwargs.min_pixels",
            })
    void wrongValuesAreNamed(String fields, String param) {
        VlmException error = refused(fields);

        assertThat(error.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
        assertThat(error.param()).isEqualTo(param);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "[] | messages | INVALID_REQUEST",
                "{} | messages | INVALID_REQUEST",
                "['Hi'] | messages[0] | INVALID_REQUEST",
                "[{'content':'Hi'}] | messages[0].role | INVALID_REQUEST",
                "[{'role':'boss','content':'Hi'}] | messages[0].role | INVALID_REQUEST",
                "[{'role':'tool','content':'Hi'}] | messages[0].role | UNSUPPORTED_FIELD",
                "[{'role':'user'}] | messages[0].content | INVALID_REQUEST",
                "[{'role':'user','content':7}] | messages[0].content | INVALID_REQUEST",
                "[{'role':'user','content':[]}] | messages[0].content | INVALID_REQUEST",
                "[{'role':'user','content':'Hi','name':'Bob'}] | messages[0].name | UNSUPPORTED_FIELD",
                "[{'role':'user','content':'Hi','refusal':'No'}] | messages[0].refusal | UNSUPPORTED_FIELD",
                "[{'role':'assistant','content':'Hi','tool_calls':[{}]}] | messages[0].tool_calls | UNSUPPORTED_FIELD",
                "[{'role':'assistant','content':'Hi','refusal':'No'}] | messages[0].refusal | INVALID_REQUEST",
                "[{'role':'user','content':['Hi']}] | messages[0].content[0] | INVALID_REQUEST",
                "[{'role':'user','content':[{'text':'Hi'}]}] | messages[0].content[0].type | INVALID_REQUEST",
                "[{'role':'user','content':[{'type':'text'}]}] | messages[0].content[0].text | INVALID_REQUEST",
                "[{'role':'user','content':[{'type':'input_audio'}]}] | messages[0].content[0].type | UNSUPPORTED_FIELD",
                "[{'role':'user','content':[{'type':'text','text':'Hi','x':1}]}] | messages[0].content[0].x | UNSUPPORTED_FIELD",
                "[{'role':'user','content':[{'type':'image_url','image_url':'u'}]}] | messages[0].content[0].image_url | INVALID_REQUEST",
                "[{'role':'user','content':[{'type':'image_url','image_url':{}}]}] | messages[0].content[0].image_url.url | INVALID_REQUEST",
                "[{'role':'system','content':[{'type':'image_url','image_url':{'url':'u'}}]}] | messages[0].content[0].type | INVALID_REQUEST",
                "[{'role':'user','content':'\\ud800'}] | messages[0].content | INVALID_REQUEST",
            })
    void wrongMessagesAreNamedByTheirPath(String messages, String param, ErrorCode code) {
        VlmException error = refusedMessages(messages);

        assertThat(error.param()).isEqualTo(param);
        assertThat(error.code()).isEqualTo(code);
    }

    @Test
    void rolesAndPartsBecomeTurns() {
        ChatRequest request = messages("[{'role':'developer','content':'Be brief'},"
                + "{'role':'user','content':[{'type':'text','text':'One'}]},"
                + "{'role':'assistant','content':null,'refusal':'No','audio':null,'tool_calls':[],'annotations':[]},"
                + "{'role':'assistant','content':[{'type':'refusal','refusal':'Never'}]}]");

        assertThat(request.turns())
                .containsExactly(
                        new ChatTurn("system", List.of(new ChatTurn.Text("Be brief")), true),
                        new ChatTurn("user", List.of(new ChatTurn.Text("One")), false),
                        new ChatTurn("assistant", List.of(new ChatTurn.Text("No")), true),
                        new ChatTurn("assistant", List.of(new ChatTurn.Text("Never")), false));
    }

    @Test
    void detailSetsACeilingThatPixelLimitsOverride() {
        assertThat(limits(picture("{'url':'http://h/p'}"))).isEqualTo(new PixelLimits(null, 1_000_000L));
        assertThat(limits(picture("{'url':'http://h/p','detail':'auto'}")))
                .isEqualTo(new PixelLimits(null, 1_000_000L));
        assertThat(limits(picture("{'url':'http://h/p','detail':'high'}"))).isEqualTo(PixelLimits.NONE);
        assertThat(limits(picture("{'url':'http://h/p','detail':'low'}"))).isEqualTo(new PixelLimits(null, 200_704L));
        assertThat(limits(picture("{'url':'http://h/p','detail':'low','min_pixels':5,'max_pixels':9}")))
                .isEqualTo(new PixelLimits(5L, 9L));
        String forAll = ",'mm_processor_kwargs':{'min_pixels':3,'max_pixels':7}";
        assertThat(limits(picture("{'url':'http://h/p','detail':'low'}", forAll)))
                .isEqualTo(new PixelLimits(3L, 7L));
        assertThat(limits(picture("{'url':'http://h/p','max_pixels':4}", forAll)))
                .isEqualTo(new PixelLimits(3L, 4L));
    }

    private static PixelLimits limits(ChatRequest request) {
        return request.pictures().getFirst().limits();
    }

    @Test
    void pixelLimitsThatExcludeEachOtherAreRefused() {
        VlmException error = catchThrowableOfType(
                VlmException.class, () -> picture("{'url':'http://h/p','min_pixels':9,'max_pixels':5}"));

        assertThat(error.code()).isEqualTo(ErrorCode.PIXEL_LIMITS_INVALID);
        assertThat(error.param()).isEqualTo("messages[0].content[0].image_url");
        assertThat(catchThrowableOfType(VlmException.class, () -> picture("{'url':'u','detail':'best'}"))
                        .param())
                .isEqualTo("messages[0].content[0].image_url.detail");
    }

    @Test
    void longDataUrlsAreTheCallersBytes() {
        byte[] png = Pictures.pngOfBytes(5000);
        ChatRequest request = picture("{'url':'" + Pictures.dataUrl(png) + "'}");

        PictureUrl source = request.pictures().getFirst().sources().getFirst();
        assertThat(source)
                .isInstanceOfSatisfying(
                        PictureUrl.Inline.class,
                        inline -> assertThat(inline.decode(5000)).isEqualTo(png));
        assertThat(source.param()).isEqualTo("messages[0].content[0].image_url.url");
    }

    @Test
    void tooManyPicturesAreRefused() {
        String part = "{'type':'image_url','image_url':{'url':'http://h/p'}}";
        VlmException error = refusedMessages("[{'role':'user','content':[" + part + "," + part + "," + part + "]}]");

        assertThat(error.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
        assertThat(error.param()).isEqualTo("messages[0].content[2].image_url.url");
    }

    @Test
    void tooMuchTextIsRefused() {
        VlmException error = refusedMessages("[{'role':'user','content':'" + "é".repeat(20_000)
                + "'},{'role':'user','content':'" + "é".repeat(20_000) + "'}]");

        assertThat(error.code()).isEqualTo(ErrorCode.REQUEST_TOO_LARGE);
        assertThat(error.param()).isEqualTo("messages[1].content");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "{",
                "[]",
                "7",
                "{}",
                "{} {}",
                "{'model':'m'}",
                "{'messages':[{'role':'user','content':'Hi'}]}",
                "{'model':'m','model':'m','messages':[{'role':'user','content':'Hi'}]}"
            })
    void bodiesThatAreNoRequestAreRefused(String body) {
        VlmException error = catchThrowableOfType(VlmException.class, () -> parse(body.replace('\'', '"')));

        assertThat(error.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
    }

    @Test
    void deepNestingIsRefusedAndNotFollowed() {
        VlmException error = refused("'metadata':" + "[".repeat(100_000) + "]".repeat(100_000));

        assertThat(error.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
    }
}
