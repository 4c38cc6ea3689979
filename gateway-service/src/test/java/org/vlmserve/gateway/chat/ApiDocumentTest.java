package org.vlmserve.gateway.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.springframework.util.unit.DataSize;
import org.vlmserve.gateway.chat.ApiFields.Field;
import org.vlmserve.gateway.chat.ApiFields.Place;
import org.vlmserve.gateway.chat.ApiFields.State;
import org.vlmserve.gateway.config.ApiConfig;
import org.vlmserve.gateway.config.ApiConfig.UnknownFields;
import org.vlmserve.gateway.config.DetailConfig;
import org.vlmserve.gateway.config.RequestConfig;
import org.vlmserve.gateway.http.MemoryBudget;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Holds {@code docs/api.md} and the code together. */
class ApiDocumentTest {

    private static final JsonMapper JSON = JsonMapper.shared();
    private static final Set<Place> OF_PLANS = Set.of(Place.PLAN, Place.PLANNED, Place.SIZE);

    private final ChatRequestParser parser = new ChatRequestParser(
            new RequestConfig(
                    Duration.ofMinutes(5),
                    DataSize.ofMegabytes(28),
                    DataSize.ofMegabytes(24),
                    16,
                    DataSize.ofMegabytes(2)),
            new DetailConfig(200_704, null, null),
            new ApiConfig(UnknownFields.REFUSE));
    private final String document;

    ApiDocumentTest() throws IOException {
        document = Files.readString(Path.of(System.getProperty("vlm.root"), "docs", "api.md"));
    }

    /** The rows of the tables between two headings, a row for each field that a cell names, with its other cells. */
    private List<String> rows(String from, String to) {
        int start = document.indexOf(from + "\n");
        String section = document.substring(start, document.indexOf(to + "\n", start));
        return Pattern.compile("^\\| (`[^|]+) \\| (.*) \\|$", Pattern.MULTILINE)
                .matcher(section)
                .results()
                .flatMap(row -> Pattern.compile("`([^`]+)`")
                        .matcher(row.group(1))
                        .results()
                        .map(name -> name.group(1) + " | " + row.group(2)))
                .toList();
    }

    private static List<Field> fields(State state) {
        return ApiFields.all().stream()
                .filter(field -> field.state() == state && !OF_PLANS.contains(field.place()))
                .toList();
    }

    private static List<String> names(List<String> rows) {
        return rows.stream().map(row -> row.substring(0, row.indexOf(" | "))).toList();
    }

    @Test
    void whatIsObeyedIsListed() {
        assertThat(names(rows("### Obeyed", "### Ignored")))
                .containsExactlyInAnyOrderElementsOf(
                        fields(State.OBEYED).stream().map(Field::path).toList());
        assertThat(names(rows("### Fields of a plan", "### A plan's answer")))
                .containsExactlyInAnyOrderElementsOf(ApiFields.all().stream()
                        .filter(field -> OF_PLANS.contains(field.place()))
                        .map(Field::path)
                        .toList());
    }

    @Test
    void whatIsIgnoredIsListedWithItsReason() {
        assertThat(rows("### Ignored", "### Refused"))
                .containsExactlyInAnyOrderElementsOf(fields(State.IGNORED).stream()
                        .map(field -> field.path() + " | " + field.why())
                        .toList());
    }

    @Test
    void whatIsRefusedIsListedWithItsReason() {
        assertThat(rows("### Refused", "### Pictures"))
                .containsExactlyInAnyOrderElementsOf(fields(State.REFUSED).stream()
                        .map(field -> field.path() + " | " + takenIf(field) + " | " + field.why())
                        .toList());
    }

    private static String takenIf(Field field) {
        if (field.asksNothing().isEmpty()) {
            return "never";
        }
        if (field.asksNothing()
                .equals(Stream.of("false", "\"\"", "[]", "{}")
                        .map(JSON::readTree)
                        .collect(Collectors.toSet()))) {
            return "empty";
        }
        return field.asksNothing().stream()
                .map(value -> value.isNumber() ? Long.toString(value.longValue()) : value.toString())
                .sorted()
                .collect(Collectors.joining("`, `", "`", "`"));
    }

    /** Requests that hold, between them, every field that is obeyed. */
    static final List<String> OBEYED = List.of("""
            {"model": "m", "max_tokens": 5, "max_completion_tokens": 5, "temperature": 1, "top_p": 0.5, "seed": 1, "stop": "a",
             "presence_penalty": 1, "frequency_penalty": 1, "logit_bias": {"1": 2}, "logprobs": true, "top_logprobs": 1,
             "stream": true, "stream_options": {"include_usage": true}, "n": 1, "response_format": {"type": "text"},
             "modalities": ["text"], "top_k": 1, "min_p": 0.5, "repetition_penalty": 2, "min_tokens": 1, "ignore_eos": true,
             "chat_template_kwargs": {"x": 1}, "mm_processor_kwargs": {"min_pixels": 1, "max_pixels": 9, "rendering": "viewer", "fps": 2},
             "messages": [{"role": "assistant", "refusal": "No"}, {"role": "user", "content": [
               {"type": "text", "text": "a"},
               {"type": "image_url", "detail": "low", "min_pixels": 1, "max_pixels": 5, "rendering": "reference",
                "image_url": {"url": "http://h/p", "detail": "low", "min_pixels": 1, "max_pixels": 5, "rendering": "viewer"}},
               {"type": "image", "image": "http://h/p"}, {"type": "image", "url": "http://h/p"},
               {"type": "image", "base64": "http://h/p"}, {"type": "image", "data": "http://h/p"},
               {"type": "image", "source": {"type": "url", "url": "http://h/p"}},
               {"type": "image", "source": {"type": "base64", "data": "http://h/p"}},
               {"type": "video", "video": "http://h/p", "fps": 1}, {"type": "video", "video": "http://h/p", "num_frames": 1},
               {"type": "video_url", "video_url": {"url": "http://h/p", "fps": 1, "min_pixels": 1, "max_pixels": 5, "rendering": "viewer"}},
               {"type": "video_url", "video_url": {"url": "http://h/p", "num_frames": 1}}]},
              {"role": "assistant", "content": [{"type": "refusal", "refusal": "No"}]}]}""", """
            {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "mm_processor_kwargs": {"num_frames": 2}}""");

    static final String PLAN = """
            {"model": "m", "mm_processor_kwargs": {}, "pictures": [{"type": "size", "size": {"width": 1, "height": 2, "frames": 3,
             "detail": "low", "min_pixels": 1, "max_pixels": 5}}]}""";

    @Test
    void whatIsListedAsObeyedIsRead() {
        Set<String> read = new TreeSet<>();
        for (String body : OBEYED) {
            assertThat(parser.parse(body.getBytes(StandardCharsets.UTF_8), MemoryBudget.UNBOUNDED)
                            .ignored()
                            .paths())
                    .isEmpty();
            paths(JSON.readTree(body), "", read);
        }
        assertThat(read)
                .containsAll(fields(State.OBEYED).stream().map(Field::path).toList());
        assertThat(parser.parsePlan(PLAN.getBytes(StandardCharsets.UTF_8), MemoryBudget.UNBOUNDED)
                        .ignored()
                        .paths())
                .isEmpty();
        Set<String> planned = new TreeSet<>();
        paths(JSON.readTree(PLAN), "", planned);
        assertThat(planned).containsAll(names(rows("### Fields of a plan", "### A plan's answer")));
    }

    private static void paths(JsonNode node, String at, Set<String> into) {
        if (node.isObject()) {
            for (Map.Entry<String, JsonNode> property : node.properties()) {
                String path = at.isEmpty() ? property.getKey() : at + "." + property.getKey();
                into.add(path);
                paths(property.getValue(), path, into);
            }
        } else if (node.isArray()) {
            node.forEach(item -> paths(item, at + "[]", into));
        }
    }

    private static List<Field> ignored() {
        return fields(State.IGNORED);
    }

    private static List<Field> refused() {
        return fields(State.REFUSED);
    }

    /** A request that holds this one field beyond the least; {@code at} of it is the field's path. */
    private record Sample(byte[] body, String at) {}

    private static Sample sample(Field field, String value) {
        String name = field.name().replace("*", "x");
        JsonNode given = JSON.readTree(value);
        ObjectNode request = (ObjectNode)
                JSON.readTree("{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":[]}]}");
        ObjectNode message = (ObjectNode) request.at("/messages/0");
        ArrayNode content = (ArrayNode) message.get("content");
        String part = "messages[0].content[0]";
        content.addObject().put("type", "text").put("text", "Hi");
        return switch (field.place()) {
            case REQUEST -> put(request, request, name, given, name);
            case STREAM_OPTIONS ->
                put(request, request.putObject("stream_options"), name, given, "stream_options." + name);
            case MESSAGE -> put(request, message, name, given, "messages[0]." + name);
            case PART -> put(request, (ObjectNode) content.get(0), name, given, part + "." + name);
            case IMAGE_URL, VIDEO_URL -> {
                String type = field.place() == Place.IMAGE_URL ? "image_url" : "video_url";
                ObjectNode inner = ((ObjectNode) content.get(0))
                        .put("type", type)
                        .without("text")
                        .putObject(type);
                yield put(request, inner.put("url", "http://h/p"), name, given, part + "." + type + "." + name);
            }
            case SOURCE -> {
                ObjectNode inner = ((ObjectNode) content.get(0))
                        .put("type", "image")
                        .without("text")
                        .putObject("source");
                yield put(
                        request,
                        inner.put("type", "url").put("url", "http://h/p"),
                        name,
                        given,
                        part + ".source." + name);
            }
            case RESPONSE_FORMAT, PROCESSOR, PLAN, PLANNED, SIZE -> throw new AssertionError(field.path());
        };
    }

    private static Sample put(ObjectNode request, ObjectNode into, String name, JsonNode value, String at) {
        into.set(name, value);
        return new Sample(JSON.writeValueAsBytes(request), at);
    }

    @ParameterizedTest
    @MethodSource("ignored")
    void whatIsListedAsIgnoredMayHaveAnyValueAndIsTold(Field field) {
        for (String value : List.of("true", "7", "\"text\"", "[1,\"a\"]", "{\"a\":{}}")) {
            Sample sample = sample(field, value);
            IgnoredFields ignored =
                    parser.parse(sample.body(), MemoryBudget.UNBOUNDED).ignored();
            assertThat(ignored.paths()).containsExactly(sample.at());
            assertThat(ignored.kinds()).containsExactly(field.path());
        }
        assertThat(parser.parse(sample(field, "null").body(), MemoryBudget.UNBOUNDED)
                        .ignored()
                        .paths())
                .isEmpty();
    }

    @ParameterizedTest
    @MethodSource("refused")
    void whatIsListedAsRefusedIsRefusedUnlessItAsksForNothing(Field field) {
        for (String value : List.of("7", "\"text\"", "[1]", "{\"a\":1}")) {
            Sample sample = sample(field, value);
            VlmException error =
                    catchThrowableOfType(VlmException.class, () -> parser.parse(sample.body(), MemoryBudget.UNBOUNDED));
            assertThat(error.code()).isEqualTo(ErrorCode.UNSUPPORTED_FIELD);
            assertThat(error.param()).isEqualTo(sample.at());
            assertThat(error).hasMessageContaining(field.why().replace("`", ""));
        }
        Stream.concat(Stream.of("null"), field.asksNothing().stream().map(JsonNode::toString))
                .forEach(value -> assertThat(parser.parse(sample(field, value).body(), MemoryBudget.UNBOUNDED)
                                .ignored()
                                .paths())
                        .isEmpty());
    }

    @Test
    void everyFieldOfOpenAisClientIsListed() {
        Set<String> openAis = Arrays.stream(ChatCompletionCreateParams.Body.class.getDeclaredMethods())
                .map(method -> method.getAnnotation(JsonProperty.class))
                .filter(Objects::nonNull)
                .map(JsonProperty::value)
                .collect(Collectors.toCollection(TreeSet::new));

        assertThat(openAis).contains("messages", "temperature", "tools");
        assertThat(openAis)
                .allSatisfy(name ->
                        assertThat(ApiFields.find(Place.REQUEST, name)).as(name).isNotNull());
    }

    @Test
    void everyErrorCodeIsListedWithItsStatus() {
        Set<String> listed = Pattern.compile("^\\| `([a-z_]+)` \\| ([0-9]{3}) \\|", Pattern.MULTILINE)
                .matcher(document)
                .results()
                .map((MatchResult row) -> row.group(1) + " " + row.group(2))
                .collect(Collectors.toSet());

        assertThat(listed)
                .isEqualTo(Arrays.stream(ErrorCode.values())
                        .filter(code -> code.httpStatus() != 0)
                        .map(code -> code.wireName() + " " + code.httpStatus())
                        .collect(Collectors.toSet()));
    }
}
