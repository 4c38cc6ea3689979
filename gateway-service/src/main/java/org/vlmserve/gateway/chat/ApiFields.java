package org.vlmserve.gateway.chat;

import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Every field of a request body that the API knows, with what becomes of it. Requests are read by these tables, and {@code docs/api.md} shows them; {@code
 * ApiDocumentTest} compares the two. Names are those of OpenAI, and of vLLM, SGLang, llama.cpp and Ollama where their clients send more.
 */
final class ApiFields {

    /** What becomes of a field. */
    enum State {
        /** It has the effect that the documentation promises, or the request fails. */
        OBEYED,
        /** It is dropped and the answer names it: it cannot change what the caller may rely on. */
        IGNORED,
        /** The request fails: without it the answer would not be what was asked for. */
        REFUSED
    }

    /** An object of a request body. */
    enum Place {
        REQUEST(""),
        STREAM_OPTIONS("stream_options"),
        RESPONSE_FORMAT("response_format"),
        PROCESSOR("mm_processor_kwargs"),
        MESSAGE("messages[]"),
        PART("messages[].content[]"),
        IMAGE_URL("messages[].content[].image_url"),
        VIDEO_URL("messages[].content[].video_url"),
        SOURCE("messages[].content[].source"),
        PLAN(""),
        PLANNED("pictures[]"),
        SIZE("pictures[].size");

        private final String path;

        Place(String path) {
            this.path = path;
        }

        /** The field's path, with {@code []} for any index. */
        String at(String name) {
            return path.isEmpty() ? name : path + "." + name;
        }
    }

    /**
     * A row.
     *
     * @param name of the field; with {@code *} as its last character it stands for all names that begin so
     * @param asksNothing values of a refused field that ask for nothing it could refuse
     * @param why it is ignored or refused; empty for what is obeyed
     */
    record Field(Place place, String name, State state, Set<JsonNode> asksNothing, String why) {

        String path() {
            return place.at(name);
        }

        /** Whether a refused field may stay: null is absent and never gets here. */
        boolean asksNothing(JsonNode value) {
            return asksNothing.contains(value.isNumber() ? JSON.valueToTree(Fields.approximately(value)) : value);
        }
    }

    private static final JsonMapper JSON = JsonMapper.shared();

    /** What says of every refused field that it is not wanted, unless {@link #NOTHING} is said of it. */
    static final List<String> EMPTY = List.of("false", "\"\"", "[]", "{}");

    private static final List<String> NOTHING = List.of();

    private static final String TOOLS = "there is no tool calling";
    private static final String CONSTRAINED = "answers are not constrained to a format or grammar";
    private static final String LENGTH = "use `max_tokens`";
    private static final String NO_EFFECT = "concerns the operation of other servers";
    private static final String SAMPLER = "a sampler that is not built";
    private static final String EXTRA = "asks for more in the answer than it holds";
    private static final String REASONING = "models here do not reason apart from their answer";
    private static final String TEMPLATE = "the checkpoint's chat template decides";
    private static final String LABEL = "a label that no chat template reads";
    private static final String BYTES = "the type is told by the content";

    private static final List<Field> ALL = Stream.of(
                    obeyed(
                            Place.REQUEST,
                            "model",
                            "messages",
                            "max_completion_tokens",
                            "max_tokens",
                            "temperature",
                            "top_p",
                            "seed",
                            "stop",
                            "presence_penalty",
                            "frequency_penalty",
                            "logit_bias",
                            "logprobs",
                            "top_logprobs",
                            "stream",
                            "stream_options",
                            "n",
                            "response_format",
                            "modalities",
                            "top_k",
                            "min_p",
                            "repetition_penalty",
                            "min_tokens",
                            "ignore_eos",
                            "chat_template_kwargs",
                            "mm_processor_kwargs"),
                    ignored(Place.REQUEST, "the tenant comes from the API key alone", "user", "safety_identifier"),
                    ignored(
                            Place.REQUEST,
                            "prefixes are found by their content",
                            "prompt_cache_key",
                            "prompt_cache_retention",
                            "prompt_cache_options",
                            "cache_prompt",
                            "cache_salt"),
                    ignored(Place.REQUEST, "nothing is stored", "metadata", "store"),
                    ignored(Place.REQUEST, "only makes the same answer quicker", "prediction"),
                    ignored(Place.REQUEST, TOOLS, "parallel_tool_calls"),
                    ignored(
                            Place.REQUEST,
                            REASONING,
                            "reasoning_effort",
                            "reasoning",
                            "include_reasoning",
                            "separate_reasoning",
                            "thinking",
                            "think",
                            "enable_thinking",
                            "thinking_token_budget"),
                    ignored(Place.REQUEST, "a hint that models here do not know", "verbosity"),
                    ignored(
                            Place.REQUEST,
                            NO_EFFECT,
                            "service_tier",
                            "keep_alive",
                            "options",
                            "num_ctx",
                            "priority",
                            "request_id",
                            "session_id",
                            "rid",
                            "id_slot",
                            "length_penalty",
                            "media_io_kwargs"),
                    ignored(
                            Place.REQUEST,
                            EXTRA,
                            "prompt_logprobs",
                            "return_token_ids",
                            "return_tokens_as_token_ids",
                            "timings_per_token"),
                    ignored(
                            Place.REQUEST,
                            SAMPLER,
                            "typical_p",
                            "tfs_z",
                            "top_a",
                            "mirostat*",
                            "dry_*",
                            "xtc_*",
                            "dynatemp_*",
                            "samplers"),
                    ignored(Place.REQUEST, "use `repetition_penalty`", "repeat_penalty", "repeat_last_n"),
                    refused(Place.REQUEST, TOOLS, EMPTY, "tools", "functions"),
                    refused(Place.REQUEST, TOOLS, List.of("\"none\"", "\"auto\""), "tool_choice", "function_call"),
                    refused(Place.REQUEST, "answers are text", EMPTY, "audio"),
                    refused(Place.REQUEST, "answers are not moderated", EMPTY, "moderation"),
                    refused(Place.REQUEST, "there is no web search", NOTHING, "web_search_options"),
                    refused(Place.REQUEST, "there is no web search", EMPTY, "search_parameters"),
                    refused(
                            Place.REQUEST,
                            CONSTRAINED,
                            EMPTY,
                            "guided_*",
                            "structured_outputs",
                            "structural_tag",
                            "grammar",
                            "json_schema",
                            "response_schema",
                            "output_format",
                            "output_schema",
                            "json_mode",
                            "regex",
                            "ebnf",
                            "format"),
                    refused(
                            Place.REQUEST,
                            "use `logit_bias`",
                            EMPTY,
                            "allowed_token_ids",
                            "bad_words",
                            "bad_words_ids",
                            "suppress_tokens"),
                    refused(
                            Place.REQUEST,
                            "logits are not processed by code of the caller",
                            EMPTY,
                            "logits_processors",
                            "custom_logit_processor"),
                    refused(
                            Place.REQUEST,
                            "use `stop`, or `ignore_eos`",
                            EMPTY,
                            "stop_token_ids",
                            "stop_regex",
                            "include_stop_str_in_output",
                            "no_stop_trim"),
                    refused(Place.REQUEST, LENGTH, List.of("-1"), "n_predict", "num_predict"),
                    refused(Place.REQUEST, LENGTH, EMPTY, "max_new_tokens", "max_output_tokens"),
                    refused(Place.REQUEST, "use `repetition_penalty`", List.of("0"), "no_repeat_ngram_size"),
                    refused(
                            Place.REQUEST,
                            "special tokens are never part of the text",
                            List.of("true"),
                            "skip_special_tokens"),
                    refused(
                            Place.REQUEST,
                            "an answer is one sequence; ask again for more",
                            List.of("1"),
                            "best_of",
                            "num_beams",
                            "beam_width"),
                    refused(Place.REQUEST, "an answer is one sequence; ask again for more", EMPTY, "use_beam_search"),
                    refused(
                            Place.REQUEST,
                            "the answer begins a new message",
                            EMPTY,
                            "echo",
                            "suffix",
                            "continue_final_message"),
                    refused(Place.REQUEST, "the answer begins a new message", List.of("true"), "add_generation_prompt"),
                    refused(
                            Place.REQUEST,
                            TEMPLATE,
                            EMPTY,
                            "chat_template",
                            "template",
                            "documents",
                            "add_special_tokens"),
                    refused(Place.REQUEST, "nothing is truncated", EMPTY, "truncate_prompt_tokens"),
                    refused(
                            Place.REQUEST,
                            "content stands in `messages`",
                            EMPTY,
                            "prompt",
                            "input",
                            "input_ids",
                            "system",
                            "images"),
                    refused(Place.REQUEST, "name the model with `model`", EMPTY, "lora", "lora_path"),
                    obeyed(Place.STREAM_OPTIONS, "include_usage"),
                    ignored(Place.STREAM_OPTIONS, "chunks are as long as their texts", "include_obfuscation"),
                    ignored(Place.STREAM_OPTIONS, "usage comes once, at the end", "continuous_usage_stats"),
                    obeyed(Place.RESPONSE_FORMAT, "type"),
                    obeyed(Place.PROCESSOR, "min_pixels", "max_pixels", "rendering", "fps", "num_frames"),
                    obeyed(Place.MESSAGE, "role", "content", "refusal"),
                    ignored(Place.MESSAGE, LABEL, "name", "id", "annotations", "tool_call_id"),
                    ignored(
                            Place.MESSAGE,
                            "an earlier answer's reasoning is not part of the conversation",
                            "reasoning_content",
                            "reasoning",
                            "thinking"),
                    ignored(Place.MESSAGE, "prefixes are found by their content", "cache_control"),
                    refused(Place.MESSAGE, TOOLS, EMPTY, "tools", "tool_calls", "function_call"),
                    refused(Place.MESSAGE, "content is text, pictures and videos", EMPTY, "audio"),
                    refused(
                            Place.MESSAGE,
                            "pictures are parts of `content`",
                            EMPTY,
                            "images",
                            "attachments",
                            "experimental_attachments"),
                    refused(Place.MESSAGE, "the answer begins a new message", EMPTY, "prefix", "partial"),
                    obeyed(
                            Place.PART,
                            "type",
                            "text",
                            "refusal",
                            "image_url",
                            "image",
                            "url",
                            "base64",
                            "data",
                            "source",
                            "video_url",
                            "video",
                            "detail",
                            "min_pixels",
                            "max_pixels",
                            "rendering",
                            "fps",
                            "num_frames"),
                    ignored(Place.PART, "prefixes are found by their content", "cache_control"),
                    ignored(Place.PART, LABEL, "id", "index", "annotations", "source_type"),
                    ignored(Place.PART, BYTES, "format", "mime_type", "mimeType", "media_type", "mediaType"),
                    refused(
                            Place.PART,
                            "the gateway reads no files of its own; send a URL, or the content in base64",
                            EMPTY,
                            "path"),
                    refused(
                            Place.PART,
                            "no files are kept here; send a URL, or the content in base64",
                            EMPTY,
                            "file_id"),
                    refused(Place.PART, "use `num_frames`", EMPTY, "nframes"),
                    refused(Place.PART, "a video is taken whole", EMPTY, "video_start", "video_end"),
                    obeyed(Place.IMAGE_URL, "url", "detail", "min_pixels", "max_pixels", "rendering"),
                    ignored(Place.IMAGE_URL, BYTES, "format", "mime_type", "media_type"),
                    obeyed(Place.VIDEO_URL, "url", "fps", "num_frames", "min_pixels", "max_pixels", "rendering"),
                    ignored(Place.VIDEO_URL, BYTES, "format", "mime_type", "media_type"),
                    refused(Place.VIDEO_URL, "use `num_frames`", EMPTY, "nframes"),
                    refused(Place.VIDEO_URL, "a video is taken whole", EMPTY, "video_start", "video_end"),
                    obeyed(Place.SOURCE, "type", "data", "url"),
                    ignored(Place.SOURCE, BYTES, "media_type"),
                    refused(
                            Place.SOURCE,
                            "no files are kept here; send a URL, or the content in base64",
                            EMPTY,
                            "file_id"),
                    obeyed(Place.PLAN, "model", "pictures", "mm_processor_kwargs"),
                    obeyed(Place.PLANNED, "size"),
                    obeyed(Place.SIZE, "width", "height", "frames", "detail", "min_pixels", "max_pixels"))
            .flatMap(fields -> fields)
            .toList();

    private static final Map<Place, Map<String, Field>> BY_PLACE = byPlace();

    private ApiFields() {}

    private static Stream<Field> obeyed(Place place, String... names) {
        return rows(place, State.OBEYED, NOTHING, "", names);
    }

    private static Stream<Field> ignored(Place place, String why, String... names) {
        return rows(place, State.IGNORED, NOTHING, why, names);
    }

    private static Stream<Field> refused(Place place, String why, List<String> asksNothing, String... names) {
        return rows(place, State.REFUSED, asksNothing, why, names);
    }

    private static Stream<Field> rows(Place place, State state, List<String> asksNothing, String why, String... names) {
        Set<JsonNode> values = asksNothing.stream()
                .map(literal -> {
                    JsonNode value = JSON.readTree(literal);
                    return value.isNumber() ? (JsonNode) JSON.valueToTree(value.doubleValue()) : value;
                })
                .collect(java.util.stream.Collectors.toUnmodifiableSet());
        return Arrays.stream(names).map(name -> new Field(place, name, state, values, why));
    }

    private static Map<Place, Map<String, Field>> byPlace() {
        Map<Place, Map<String, Field>> tables = new EnumMap<>(Place.class);
        for (Field field : ALL) {
            Map<String, Field> table = tables.computeIfAbsent(field.place(), place -> new LinkedHashMap<>());
            if (table.put(field.name(), field) != null) {
                throw new IllegalStateException(field.path() + " stands in the tables twice");
            }
        }
        return tables;
    }

    /** All rows. */
    static List<Field> all() {
        return ALL;
    }

    /** The field of this name, or null if nothing is known of it. */
    static @Nullable Field find(Place place, String name) {
        Map<String, Field> table = BY_PLACE.getOrDefault(place, Map.of());
        Field exact = table.get(name);
        if (exact != null) {
            return exact;
        }
        for (Field field : table.values()) {
            String pattern = field.name();
            if (pattern.endsWith("*") && name.startsWith(pattern.substring(0, pattern.length() - 1))) {
                return field;
            }
        }
        // What is planned is a part of a message, or a size.
        return place == Place.PLANNED ? find(Place.PART, name) : null;
    }
}
