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
import org.vlmserve.gateway.config.ApiConfig;
import org.vlmserve.gateway.config.ApiConfig.UnknownFields;
import org.vlmserve.gateway.config.DetailConfig;
import org.vlmserve.gateway.config.RequestConfig;
import org.vlmserve.gateway.http.MemoryBudget;
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
            new DetailConfig(200_704, null, 1_000_000L),
            new ApiConfig(UnknownFields.IGNORE));

    private ChatRequest parse(String json) {
        return parser.parse(json.getBytes(StandardCharsets.UTF_8), MemoryBudget.UNBOUNDED);
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
                        false,
                        request.ignored(),
                        request.bodyBytes()));
        assertThat(request.ignored().paths()).isEmpty();
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
                ("{'model':'m'," + fields + "}").replace('\'', '"').getBytes(StandardCharsets.UTF_8),
                MemoryBudget.UNBOUNDED);
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
    void fieldsWithoutEffectAreToldByTheirPath() {
        ChatRequest request =
                parse(("{'model':'m','user':7,'metadata':{'a':1,'b':[true]},'no_such_field':{},'store':true,"
                                + "'stream_options':{'include_usage':true},'keep_alive':'5m','messages':[{'role':'user','name':'Bob',"
                                + "'id':'x','content':[{'type':'text','text':'Hi','cache_control':{'type':'ephemeral'},'x':null}]},"
                                + "{'role':'assistant','content':'Hm','reasoning_content':'so','refusal':null}]}")
                        .replace('\'', '"'));

        assertThat(request.sampling()).isEqualTo(Sampling.DEFAULTS);
        assertThat(request.ignored().paths())
                .containsExactlyInAnyOrder(
                        "user",
                        "metadata",
                        "no_such_field",
                        "store",
                        "stream_options",
                        "keep_alive",
                        "messages[0].name",
                        "messages[0].id",
                        "messages[0].content[0].cache_control",
                        "messages[1].reasoning_content");
        assertThat(request.ignored().kinds())
                .contains("unknown", "user", "messages[].name", "messages[].content[].cache_control");
    }

    @Test
    void notEveryOneOfManyFieldsIsTold() {
        String many = java.util.stream.IntStream.range(0, 1000)
                .mapToObj(i -> "'" + "n".repeat(200) + i + "':1")
                .collect(java.util.stream.Collectors.joining(","));
        IgnoredFields ignored = with(many).ignored();
        tools.jackson.databind.node.ObjectNode vlm = tools.jackson.databind.node.JsonNodeFactory.instance.objectNode();
        ignored.tell(vlm);

        assertThat(ignored.kinds()).containsExactly("unknown");
        assertThat(vlm.get("ignored"))
                .hasSize(64)
                .allSatisfy(path -> assertThat(path.stringValue()).hasSizeLessThan(70));
        assertThat(vlm.get("ignored_untold").intValue()).isEqualTo(1000 - 64);
    }

    @Test
    void unknownFieldsMayBeRefused() {
        ChatRequestParser strict = new ChatRequestParser(
                new RequestConfig(
                        Duration.ofMinutes(5),
                        DataSize.ofMegabytes(28),
                        DataSize.ofMegabytes(24),
                        2,
                        DataSize.ofKilobytes(64)),
                new DetailConfig(200_704, null, null),
                new ApiConfig(UnknownFields.REFUSE));
        String body = "{'model':'m','user':'u','messages':[{'role':'user','content':'Hi','x':1}]}".replace('\'', '"');
        VlmException error = catchThrowableOfType(
                VlmException.class, () -> strict.parse(body.getBytes(StandardCharsets.UTF_8), MemoryBudget.UNBOUNDED));

        assertThat(error.code()).isEqualTo(ErrorCode.UNSUPPORTED_FIELD);
        assertThat(error.param()).isEqualTo("messages[0].x");
        assertThat(strict.parse(
                                body.replace("\"x\"", "\"name\"").getBytes(StandardCharsets.UTF_8),
                                MemoryBudget.UNBOUNDED)
                        .ignored()
                        .paths())
                .containsExactlyInAnyOrder("messages[0].name", "user");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "'tools':[{'type':'function'}]",
                "'tool_choice':'required'",
                "'functions':[{}]",
                "'audio':{'voice':'a'}",
                "'stop_token_ids':[1]",
                "'web_search_options':{}",
                "'guided_json':{'type':'object'}",
                "'guided_no_one_knows_yet':'x'",
                "'structured_outputs':{'choice':['a']}",
                "'n':2",
                "'modalities':['text','audio']",
                "'response_format':{'type':'json_object'}",
                "'best_of':2",
                "'response_format':{'type':'json_schema','json_schema':{}}",
            })
    void whatWouldConstrainTheAnswerIsRefusedByName(String field) {
        VlmException error = refused(field);

        assertThat(error.code()).isEqualTo(ErrorCode.UNSUPPORTED_FIELD);
        assertThat(error.param()).isEqualTo(field.substring(1, field.indexOf('\'', 1)));
        assertThat(error).hasMessageStartingWith(error.param());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "'tools':[]",
                "'tool_choice':'none'",
                "'tool_choice':'auto'",
                "'functions':[]",
                "'function_call':'auto'",
                "'best_of':1.0",
                "'n':1.0",
                "'n_predict':-1",
                "'echo':false",
                "'add_generation_prompt':true",
                "'skip_special_tokens':true",
                "'guided_regex':''",
                "'stop':''",
                "'stop':null",
                "'stop':[]",
                "'stop':['',null]",
                "'logit_bias':{}",
                "'logit_bias':{'5':null}",
                "'top_logprobs':0",
                "'stream_options':null",
                "'response_format':{'type':'text'}",
                "'modalities':['text']",
                "'modalities':[]",
            })
    void whatAsksForNothingIsTaken(String field) {
        ChatRequest request = with(field);

        assertThat(request.sampling()).isEqualTo(Sampling.DEFAULTS);
        assertThat(request.ignored().paths()).isEmpty();
    }

    @Test
    void wholeNumbersMayBeWrittenWithAFraction() {
        Sampling sampling =
                with("'max_tokens':24.0,'min_tokens':2.0,'top_k':4e1,'seed':42.0,'logprobs':true,'top_logprobs':3.0")
                        .sampling();

        assertThat(sampling.maxTokens()).isEqualTo(24);
        assertThat(sampling.minTokens()).isEqualTo(2);
        assertThat(sampling.topK()).isEqualTo(40);
        assertThat(sampling.seed()).isEqualTo(42);
        assertThat(sampling.topLogprobs()).isEqualTo(3);
        assertThat(limits(picture("{'url':'http://h/p','min_pixels':5.0}"))).isEqualTo(new PixelLimits(5L, 1_000_000L));
        // Beyond 2^53 a fraction's digits no longer say which integer is meant.
        assertThat(refused("'seed':9007199254740994.0").param()).isEqualTo("seed");
    }

    @Test
    void integersOfAnyLengthAreRead() {
        String huge = "9".repeat(900);
        assertThat(with("'max_tokens':" + huge).sampling().maxTokens()).isEqualTo(Integer.MAX_VALUE);
        for (String field : List.of("temperature", "seed", "top_k", "min_tokens", "max_completion_tokens")) {
            String value = field.startsWith("max") ? "-" + huge : huge;
            assertThat(refused("'" + field + "':" + value).param()).isEqualTo(field);
        }
        assertThat(refused("'n_predict':" + huge).code()).isEqualTo(ErrorCode.UNSUPPORTED_FIELD);
        assertThat(with("'user':" + huge).ignored().paths()).containsExactly("user");
    }

    @ParameterizedTest
    @ValueSource(strings = {"3000000000", "99999999999999999999999", "1e30", "2147483647"})
    void aLimitBeyondAnyContextIsALimitLikeAnyOther(String limit) {
        assertThat(with("'max_tokens':" + limit).sampling().maxTokens()).isEqualTo(Integer.MAX_VALUE);
        assertThat(with("'max_completion_tokens':" + limit).sampling().maxTokens())
                .isEqualTo(Integer.MAX_VALUE);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "{'type':'image_url','image_url':'URL'} | image_url",
                "{'type':'image_url','image_url':{'url':'URL','format':'image/png'}} | image_url.url",
                "{'type':'image_url','image_url':{'url':'URL','detail':null}} | image_url.url",
                "{'type':'input_image','image_url':'URL','detail':'auto'} | image_url",
                "{'type':'input_image','image_url':{'url':'URL'}} | image_url.url",
                "{'type':'image','image':'URL'} | image",
                "{'type':'image','url':'URL'} | url",
                "{'type':'image','base64':'URL'} | base64",
                "{'type':'image','data':'URL','mimeType':'image/png'} | data",
                "{'type':'image','source_type':'base64','data':'URL','mime_type':'image/png'} | data",
                "{'type':'image','source':{'type':'base64','media_type':'image/png','data':'URL'}} | source.data",
                "{'type':'image','source':{'type':'url','url':'URL'}} | source.url",
                "{'type':'image','image_url':{'url':'URL'}} | image_url.url",
            })
    void aPictureIsTakenInEachFormThatClientsWrite(String part, String param) {
        byte[] png = Pictures.pngOfBytes(3000);
        String base64 = java.util.Base64.getEncoder().encodeToString(png);
        for (String url : List.of("data:image/png;base64," + base64, base64, "\\n " + base64.replace("/", "\\/"))) {
            PictureUrl source = messages("[{'role':'user','content':[" + part.replace("URL", url) + "]}]")
                    .pictures()
                    .getFirst()
                    .sources()
                    .getFirst();
            assertThat(source.param()).isEqualTo("messages[0].content[0]." + param);
            assertThat(source)
                    .isInstanceOfSatisfying(
                            PictureUrl.Inline.class,
                            inline ->
                                    assertThat(inline.decode(5000, size -> {})).isEqualTo(png));
        }
        assertThat(messages("[{'role':'user','content':[" + part.replace("URL", " http://h/p ") + "]}]")
                        .pictures()
                        .getFirst()
                        .sources())
                .containsExactly(new PictureUrl.Remote("http://h/p", "messages[0].content[0]." + param));
    }

    @Test
    void limitsMayStandBesideTheUrlOrOutsideOfItsObject() {
        assertThat(limits(messages("[{'role':'user','content':[{'type':'image_url','image_url':{'url':'http://h/p',"
                        + "'max_pixels':9},'min_pixels':5,'max_pixels':7,'detail':'low'}]}]")))
                .isEqualTo(new PixelLimits(5L, 9L));
        assertThat(limits(
                        messages("[{'role':'user','content':[{'type':'image','image':'http://h/p','detail':'low'}]}]")))
                .isEqualTo(new PixelLimits(null, 200_704L));
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
                "'max_tokens':-1 | max_tokens",
                "'max_tokens':-1e30 | max_tokens",
                "'max_tokens':true | max_tokens",
                "'max_completion_tokens':0.0 | max_completion_tokens",
                "'max_tokens':5,'max_completion_tokens':6 | max_tokens",
                "'max_tokens':5,'min_tokens':6 | min_tokens",
                "'top_k':-2 | top_k",
                "'seed':1e30 | seed",
                "'seed':99999999999999999999 | seed",
                "'top_logprobs':5 | top_logprobs",
                "'logprobs':true,'top_logprobs':21 | top_logprobs",
                "'logprobs':1 | logprobs",
                "'stop':['a',1] | stop[1]",
                "'stop':7 | stop",
                "'logit_bias':[1] | logit_bias",
                "'logit_bias':{'x':1} | logit_bias",
                "'logit_bias':{'5':101} | logit_bias.5",
                "'stream':'yes' | stream",
                "'stream':true,'stream_options':[] | stream_options",
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
                "[{'role':'user','content':null}] | messages[0].content | INVALID_REQUEST",
                "[{'role':'system','content':null}] | messages[0].content | INVALID_REQUEST",
                "[{'role':'user','content':'Hi','images':['QUJD']}] | messages[0].images | UNSUPPORTED_FIELD",
                "[{'role':'assistant','content':'Hi','prefix':true}] | messages[0].prefix | UNSUPPORTED_FIELD",
                "[{'role':'user','content':'Hi','refusal':'No'}] | messages[0].refusal | UNSUPPORTED_FIELD",
                "[{'role':'assistant','content':'Hi','tool_calls':[{}]}] | messages[0].tool_calls | UNSUPPORTED_FIELD",
                "[{'role':'assistant','content':'Hi','refusal':'No'}] | messages[0].refusal | INVALID_REQUEST",
                "[{'role':'user','content':[7]}] | messages[0].content[0] | INVALID_REQUEST",
                "[{'role':'user','content':[null]}] | messages[0].content | INVALID_REQUEST",
                "[{'role':'user','content':[{'text':'Hi'}]}] | messages[0].content[0].type | INVALID_REQUEST",
                "[{'role':'user','content':[{'type':'text'}]}] | messages[0].content[0].text | INVALID_REQUEST",
                "[{'role':'user','content':[{'type':'input_audio'}]}] | messages[0].content[0].type | UNSUPPORTED_FIELD",
                "[{'role':'user','content':[{'type':'text','text':'Hi','image_url':'u'}]}] | messages[0].content[0].image_url | UNSUPPORTED_FIELD",
                "[{'role':'user','content':[{'type':'image_url','image_url':7}]}] | messages[0].content[0].image_url | INVALID_REQUEST",
                "[{'role':'user','content':[{'type':'image'}]}] | messages[0].content[0].image | INVALID_REQUEST",
                "[{'role':'user','content':[{'type':'image','image':'u','url':'v'}]}] | messages[0].content[0].url | INVALID_REQUEST",
                "[{'role':'user','content':[{'type':'image','image':'u','path':'/p'}]}] | messages[0].content[0].path | UNSUPPORTED_FIELD",
                "[{'role':'user','content':[{'type':'image','source':{'type':'file','file_id':'f'}}]}] | messages[0].content[0].source.type | INVALID_REQUEST",
                "[{'role':'user','content':[{'type':'file','file':{}}]}] | messages[0].content[0].type | UNSUPPORTED_FIELD",
                "[{'role':'user','content':[{'type':'output_text','text':'Hi'}]}] | messages[0].content[0].type | INVALID_REQUEST",
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
        ChatRequest request = messages(
                "[{'role':'developer','content':'Be brief'},"
                        + "{'role':'user','content':[{'type':'text','text':'One'}]},"
                        + "{'role':'assistant','content':null,'refusal':'No','audio':null,'tool_calls':[],'annotations':[]},"
                        + "{'role':'assistant','content':[{'type':'refusal','refusal':'Never'}]},"
                        + "{'role':'system','content':''},{'role':'assistant','content':null},{'role':'assistant','content':[]},"
                        + "{'role':'user','content':[null,'Two',{'type':'input_text','text':'Three','id':null}]},"
                        + "{'role':'assistant','content':[{'type':'thinking','thinking':'Hm'},{'type':'output_text','text':'Four'}]}]");

        assertThat(request.turns())
                .containsExactly(
                        new ChatTurn("system", List.of(new ChatTurn.Text("Be brief")), true),
                        new ChatTurn("user", List.of(new ChatTurn.Text("One")), false),
                        new ChatTurn("assistant", List.of(new ChatTurn.Text("No")), true),
                        new ChatTurn("assistant", List.of(new ChatTurn.Text("Never")), false),
                        new ChatTurn("system", List.of(new ChatTurn.Text("")), true),
                        new ChatTurn("assistant", List.of(new ChatTurn.Text("")), true),
                        new ChatTurn("assistant", List.of(new ChatTurn.Text("")), true),
                        new ChatTurn("user", List.of(new ChatTurn.Text("Two"), new ChatTurn.Text("Three")), false),
                        new ChatTurn("assistant", List.of(new ChatTurn.Text("Four")), false));
        assertThat(request.ignored().paths()).containsExactly("messages[2].annotations", "messages[8].content[0]");
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
                        inline -> assertThat(inline.decode(5000, size -> {})).isEqualTo(png));
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
