package org.vlmserve.gateway.chat;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.vlmserve.gateway.chat.ChatRequest.WantedPicture;
import org.vlmserve.gateway.config.DetailConfig;
import org.vlmserve.gateway.config.RequestConfig;
import org.vlmserve.gateway.picture.PictureUrl;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.FrameSampling;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.PromptJob;
import org.vlmserve.protocol.ProtocolLimits;
import org.vlmserve.protocol.Rendering;
import org.vlmserve.protocol.Sampling;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Reads OpenAI's chat completion request, and the requests of our own that share its parts, strictly: a field has the effect that {@code docs/api.md} promises, or the
 * request is refused with the field's path. Null is as good as absent everywhere.
 */
public final class ChatRequestParser {

    private static final int MAX_STOPS = 16;

    /** Why each of OpenAI's fields that we know and do not support is refused. */
    static final Map<String, String> REFUSED = Map.ofEntries(
            Map.entry("audio", "is not supported: answers are text"),
            Map.entry("function_call", "is not supported: there is no tool calling"),
            Map.entry("functions", "is not supported: there is no tool calling"),
            Map.entry("moderation", "is not supported: answers are not moderated"),
            Map.entry("parallel_tool_calls", "is not supported: there is no tool calling"),
            Map.entry("prediction", "is not supported: there are no predicted outputs"),
            Map.entry("prompt_cache_options", "is not supported: the prefix cache takes no options"),
            Map.entry("reasoning_effort", "is not supported"),
            Map.entry("stop_token_ids", "is not supported; use stop, or ignore_eos"),
            Map.entry("tool_choice", "is not supported: there is no tool calling"),
            Map.entry("tools", "is not supported: there is no tool calling"),
            Map.entry("verbosity", "is not supported"),
            Map.entry("web_search_options", "is not supported: there is no web search"));

    /** Hints to OpenAI's own operation that leave the answer as it is; they are checked for their type and dropped. */
    private static final List<String> HARMLESS_TEXTS =
            List.of("user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention");

    private static final String TEMPLATE_ARGUMENTS = "chat_template_kwargs";

    /** What the reference's {@code apply_chat_template} takes beside the names that a template sees. */
    private static final Set<String> RESERVED_ARGUMENTS = Set.of(
            "add_generation_prompt",
            "chat_template",
            "continue_final_message",
            "conversation",
            "documents",
            "messages",
            "padding",
            "return_assistant_tokens_mask",
            "return_dict",
            "return_tensors",
            "tokenize",
            "tools",
            "truncation");

    private final RequestConfig limits;
    private final DetailConfig detail;
    private final JsonMapper json = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    public ChatRequestParser(RequestConfig limits, DetailConfig detail) {
        this.limits = limits;
        this.detail = detail;
    }

    /** @throws VlmException {@code INVALID_REQUEST}, {@code UNSUPPORTED_FIELD}, {@code PIXEL_LIMITS_INVALID},
     *     {@code REQUEST_TOO_LARGE}, with the field at fault */
    ChatRequest parse(byte[] bytes) {
        CutBody body = new CutBody(bytes);
        return new Reading(body).read(Fields.of(tree(body), "", body));
    }

    /** As {@link #parse} does. */
    PlanCall parsePlan(byte[] bytes) {
        CutBody body = new CutBody(bytes);
        return new Reading(body).readPlan(Fields.of(tree(body), "", body));
    }

    /** Every top-level field that is read, or refused by name: what {@code docs/api.md} has to list. */
    Set<String> topLevelFields() {
        CutBody body = new CutBody("{\"model\":\"any\",\"messages\":[{\"role\":\"user\",\"content\":\"\"}]}"
                .getBytes(StandardCharsets.UTF_8));
        Fields request = Fields.of(tree(body), "", body);
        new Reading(body).read(request);
        return request.known();
    }

    /** The same for plans. */
    Set<String> planFields() {
        CutBody body =
                new CutBody("{\"model\":\"any\",\"pictures\":[{\"type\":\"size\",\"size\":{\"width\":1,\"height\":1}}]}"
                        .getBytes(StandardCharsets.UTF_8));
        Fields request = Fields.of(tree(body), "", body);
        new Reading(body).readPlan(request);
        return request.known();
    }

    private JsonNode tree(CutBody body) {
        JsonNode tree;
        try {
            tree = json.readTree(body.json());
        } catch (JacksonException e) {
            String where = e.getLocation() == null
                    ? ""
                    : " at line " + e.getLocation().getLineNr() + ", column "
                            + e.getLocation().getColumnNr();
            throw new VlmException(
                    ErrorCode.INVALID_REQUEST,
                    "the body is not valid JSON" + where + "; expected one object in UTF-8 without repeated fields",
                    e);
        }
        if (!(tree instanceof ObjectNode)) {
            throw new VlmException(ErrorCode.INVALID_REQUEST, "the body is not a JSON object");
        }
        return tree;
    }

    /** One request being read. */
    private final class Reading {

        private final CutBody body;
        private final List<WantedPicture> pictures = new ArrayList<>();
        private long textBytes;
        private @Nullable Long minPixels;
        private @Nullable Long maxPixels;
        private FrameSampling sampling = FrameSampling.DEFAULT;
        private @Nullable Rendering rendering;

        Reading(CutBody body) {
            this.body = body;
        }

        ChatRequest read(Fields request) {
            REFUSED.forEach(request::refuse);
            String model = request.requiredText("model");
            readProcessorOptions(request.object("mm_processor_kwargs"));
            List<ChatTurn> turns = readMessages(request.required("messages", "a list of messages"));
            String templateArguments = readTemplateArguments(request);
            Sampling sampling = readSampling(request);
            boolean stream = request.flag("stream", false);
            boolean includeUsage = readStreamOptions(request.object("stream_options"), stream);
            readHarmless(request);
            request.end();
            return new ChatRequest(model, turns, templateArguments, pictures, sampling, stream, includeUsage);
        }

        private void readProcessorOptions(@Nullable Fields options) {
            if (options == null) {
                return;
            }
            minPixels = options.longInteger("min_pixels", 1, Long.MAX_VALUE);
            maxPixels = options.longInteger("max_pixels", 1, Long.MAX_VALUE);
            sampling = readSampling(options, FrameSampling.DEFAULT);
            rendering = readRendering(options, null);
            options.end();
        }

        private String readTemplateArguments(Fields request) {
            JsonNode given = request.any(TEMPLATE_ARGUMENTS);
            if (given == null) {
                return PromptJob.NO_ARGUMENTS;
            }
            if (!given.isObject()) {
                throw Fields.wrongType(TEMPLATE_ARGUMENTS, given, "an object");
            }
            for (String name : given.propertyNames()) {
                if (RESERVED_ARGUMENTS.contains(name)) {
                    throw Fields.invalid(
                            TEMPLATE_ARGUMENTS + "." + name,
                            "is reserved: the request's other fields alone decide on it");
                }
            }
            String arguments = request.restored(given, TEMPLATE_ARGUMENTS).toString();
            int size = arguments.getBytes(StandardCharsets.UTF_8).length;
            if (size > ProtocolLimits.MAX_TEMPLATE_ARGUMENTS_BYTES) {
                throw new VlmException(
                        ErrorCode.REQUEST_TOO_LARGE,
                        TEMPLATE_ARGUMENTS + " has " + size + " bytes, at most "
                                + ProtocolLimits.MAX_TEMPLATE_ARGUMENTS_BYTES + " are taken",
                        TEMPLATE_ARGUMENTS,
                        null);
            }
            return arguments;
        }

        PlanCall readPlan(Fields request) {
            String model = request.requiredText("model");
            readProcessorOptions(request.object("mm_processor_kwargs"));
            JsonNode given = request.required("pictures", "a list of pictures");
            if (!given.isArray()) {
                throw Fields.wrongType("pictures", given, "a list of pictures");
            }
            if (given.isEmpty()) {
                throw Fields.invalid("pictures", "is empty, expected at least one picture");
            }
            requireFew(given.size(), "pictures");
            List<PlanCall.Part> parts = new ArrayList<>(given.size());
            for (int i = 0; i < given.size(); i++) {
                parts.add(readPlanned(Fields.of(given.get(i), "pictures[" + i + "]", body)));
            }
            request.end();
            return new PlanCall(model, parts);
        }

        private PlanCall.Part readPlanned(Fields part) {
            String type = part.requiredText("type");
            PlanCall.Part read = switch (type) {
                case "image_url" -> {
                    readPicture(
                            Fields.of(part.required("image_url", "an object with a url"), part.at("image_url"), body));
                    WantedPicture picture = pictures.getLast();
                    yield new PlanCall.Part(picture, null, picture.limits());
                }
                case "video_url", "video" -> {
                    readVideo(part, type);
                    WantedPicture video = pictures.getLast();
                    yield new PlanCall.Part(video, null, video.limits());
                }
                case "size" ->
                    readSize(
                            Fields.of(part.required("size", "an object with width and height"), part.at("size"), body));
                default ->
                    throw Fields.invalid(part.at("type"), "is unknown, expected image_url, video_url, video or size");
            };
            part.end();
            return read;
        }

        /** With frames it is a video's size. */
        private PlanCall.Part readSize(Fields size) {
            int width = size.requiredInteger("width", 1, Integer.MAX_VALUE);
            int height = size.requiredInteger("height", 1, Integer.MAX_VALUE);
            Integer frames = size.integer("frames", 1, Integer.MAX_VALUE);
            PixelLimits pixels = readPixelLimits(size);
            return new PlanCall.Part(
                    null,
                    frames == null
                            ? PictureSource.still(width, height)
                            : new PictureSource(Medium.VIDEO, frames, width, height),
                    pixels);
        }

        private List<ChatTurn> readMessages(JsonNode messages) {
            if (!messages.isArray()) {
                throw Fields.wrongType("messages", messages, "a list of messages");
            }
            if (messages.isEmpty()) {
                throw Fields.invalid("messages", "is empty, expected at least one message");
            }
            List<ChatTurn> turns = new ArrayList<>(messages.size());
            for (int i = 0; i < messages.size(); i++) {
                turns.add(readMessage(Fields.of(messages.get(i), "messages[" + i + "]", body)));
            }
            return turns;
        }

        private ChatTurn readMessage(Fields message) {
            String given = message.requiredText("role");
            String role = switch (given) {
                case "system", "user", "assistant" -> given;
                case "developer" -> "system";
                case "tool", "function" ->
                    throw Fields.unsupported(
                            message.at("role"), "is " + given + ", which is not supported: there is no tool calling");
                default ->
                    throw Fields.invalid(
                            message.at("role"), "is unknown, expected system, developer, user or assistant");
            };
            message.refuse("name", "is not supported: chat templates do not tell participants of one role apart");
            JsonNode content = message.any("content");
            String refusal = null;
            if (role.equals("assistant")) {
                refusal = message.text("refusal");
                message.refuse("audio", "is not supported");
                message.refuse("function_call", "is not supported: there is no tool calling");
                for (String list : List.of("tool_calls", "annotations")) {
                    JsonNode value = message.any(list);
                    if (value != null && !(value.isArray() && value.isEmpty())) {
                        throw Fields.unsupported(message.at(list), "is not supported");
                    }
                }
            }
            message.end();
            if (refusal != null) {
                if (content != null) {
                    throw Fields.invalid(message.at("refusal"), "stands beside content, expected one of both");
                }
                return plain(role, refusal, message.at("refusal"));
            }
            String at = message.at("content");
            if (content == null) {
                throw Fields.invalid(at, "is missing; expected a string or a list of parts");
            }
            if (content.isString()) {
                return plain(role, message.text(content, at), at);
            }
            if (!content.isArray()) {
                throw Fields.wrongType(at, content, "a string or a list of parts");
            }
            if (content.isEmpty()) {
                throw Fields.invalid(at, "is empty, expected at least one part");
            }
            List<ChatTurn.Part> parts = new ArrayList<>(content.size());
            for (int i = 0; i < content.size(); i++) {
                parts.add(readPart(Fields.of(content.get(i), at + "[" + i + "]", body), role));
            }
            return new ChatTurn(role, parts, false);
        }

        private ChatTurn plain(String role, String text, String at) {
            count(text, at);
            return new ChatTurn(role, List.of(new ChatTurn.Text(text)), true);
        }

        private ChatTurn.Part readPart(Fields part, String role) {
            String type = part.requiredText("type");
            ChatTurn.Part read = switch (type) {
                case "text" -> text(part, "text");
                case "refusal" -> {
                    if (!role.equals("assistant")) {
                        throw Fields.invalid(part.at("type"), "is refusal, which only an assistant message holds");
                    }
                    yield text(part, "refusal");
                }
                case "image_url" -> {
                    if (!role.equals("user")) {
                        throw Fields.invalid(part.at("type"), "is image_url, which only a user message holds");
                    }
                    yield readPicture(
                            Fields.of(part.required("image_url", "an object with a url"), part.at("image_url"), body));
                }
                case "video_url", "video" -> {
                    if (!role.equals("user")) {
                        throw Fields.invalid(part.at("type"), "is " + type + ", which only a user message holds");
                    }
                    yield readVideo(part, type);
                }
                case "input_audio", "file", "audio_url" ->
                    throw Fields.unsupported(
                            part.at("type"),
                            "is " + type + ", which is not supported; expected text, image_url or video_url");
                default -> throw Fields.invalid(part.at("type"), "is unknown, expected text, image_url or video_url");
            };
            part.end();
            return read;
        }

        private ChatTurn.Text text(Fields part, String name) {
            String text = part.requiredText(name);
            count(text, part.at(name));
            return new ChatTurn.Text(text);
        }

        private void count(String text, String at) {
            textBytes += text.length() > limits.maxText().toBytes()
                    ? text.length()
                    : text.getBytes(StandardCharsets.UTF_8).length;
            if (textBytes > limits.maxText().toBytes()) {
                throw new VlmException(
                        ErrorCode.REQUEST_TOO_LARGE,
                        "the texts have more than " + limits.maxText().toBytes() + " bytes together",
                        at,
                        null);
            }
        }

        private ChatTurn.Picture readPicture(Fields picture) {
            JsonNode url = picture.required("url", "a string");
            String at = picture.at("url");
            if (!url.isString()) {
                throw Fields.wrongType(at, url, "a string");
            }
            Rendering rendered = readRendering(picture, rendering);
            PixelLimits pixels = readPixelLimits(picture);
            requireFew(pictures.size() + 1, at);
            pictures.add(WantedPicture.still(source(url.stringValue(), at), pixels, rendered));
            return new ChatTurn.Picture(pictures.size() - 1);
        }

        /**
         * As vLLM takes it, an object {@code video_url} with a {@code url}; or as transformers' chat
         * messages have it, {@code video} with its settings beside it. Either is a URL or a list of frames' URLs.
         */
        private ChatTurn.Video readVideo(Fields part, String type) {
            boolean object = type.equals("video_url");
            Fields video = object
                    ? Fields.of(part.required("video_url", "an object with a url"), part.at("video_url"), body)
                    : part;
            String name = object ? "url" : "video";
            JsonNode given = video.required(name, "a string, or a list of strings");
            List<PictureUrl> sources = new ArrayList<>();
            if (given.isArray()) {
                if (given.isEmpty()) {
                    throw Fields.invalid(video.at(name), "is empty, expected at least one frame");
                }
                for (int i = 0; i < given.size(); i++) {
                    sources.add(frame(given.get(i), video.at(name) + "[" + i + "]"));
                }
            } else {
                sources.add(frame(given, video.at(name)));
            }
            FrameSampling frames = readSampling(video, sampling);
            Rendering rendered = readRendering(video, rendering);
            PixelLimits pixels = readPixelLimits(video, null);
            requireFew(pictures.size() + 1, video.at(name));
            pictures.add(new WantedPicture(Medium.VIDEO, sources, frames, pixels, rendered));
            return new ChatTurn.Video(pictures.size() - 1);
        }

        private PictureUrl frame(JsonNode url, String at) {
            if (!url.isString()) {
                throw Fields.wrongType(at, url, "a string");
            }
            return source(url.stringValue(), at);
        }

        private static FrameSampling readSampling(Fields options, FrameSampling otherwise) {
            Double fps = options.number("fps", 0, 1000);
            if (fps != null && fps == 0) {
                throw Fields.invalid(options.at("fps"), "is 0, expected a number above 0");
            }
            Integer numFrames = options.integer("num_frames", 1, Integer.MAX_VALUE);
            if (fps != null && numFrames != null) {
                throw Fields.invalid(options.at("fps"), "stands beside num_frames, expected one of both");
            }
            return fps == null && numFrames == null ? otherwise : new FrameSampling(fps, numFrames);
        }

        private static @Nullable Rendering readRendering(Fields options, @Nullable Rendering otherwise) {
            String named = options.text("rendering");
            if (named == null) {
                return otherwise;
            }
            return switch (named) {
                case "viewer" -> Rendering.VIEWER;
                case "reference" -> Rendering.REFERENCE;
                default -> throw Fields.invalid(options.at("rendering"), "is unknown, expected viewer or reference");
            };
        }

        private void requireFew(int count, String at) {
            if (count > limits.maxPictures()) {
                throw new VlmException(
                        ErrorCode.INVALID_REQUEST,
                        "the request holds more than " + limits.maxPictures() + " pictures",
                        at,
                        null);
            }
        }

        /** Reads what remains of a picture: its bounds. */
        private PixelLimits readPixelLimits(Fields picture) {
            String named = picture.text("detail");
            Long ceiling = switch (named == null ? "auto" : named) {
                case "low" -> (Long) detail.lowMaxPixels();
                case "high" -> detail.highMaxPixels();
                case "auto" -> detail.autoMaxPixels();
                default -> throw Fields.invalid(picture.at("detail"), "is unknown, expected low, high or auto");
            };
            return readPixelLimits(picture, ceiling);
        }

        /** @param ceiling the upper bound where the caller gives none */
        private PixelLimits readPixelLimits(Fields picture, @Nullable Long ceiling) {
            Long ownMin = picture.longInteger("min_pixels", 1, Long.MAX_VALUE);
            Long ownMax = picture.longInteger("max_pixels", 1, Long.MAX_VALUE);
            picture.end();
            PixelLimits pixels = new PixelLimits(first(ownMin, minPixels, null), first(ownMax, maxPixels, ceiling));
            if (pixels.minPixels() != null && pixels.maxPixels() != null && pixels.minPixels() > pixels.maxPixels()) {
                throw new VlmException(
                        ErrorCode.PIXEL_LIMITS_INVALID,
                        "min_pixels is " + pixels.minPixels() + ", above max_pixels " + pixels.maxPixels()
                                + " (which detail may have set)",
                        picture.path(),
                        null);
            }
            return pixels;
        }

        private PictureUrl source(String url, String at) {
            ByteBuffer cut = body.original(url);
            if (cut != null) {
                return new PictureUrl.Inline(cut, at);
            }
            return url.regionMatches(true, 0, "data:", 0, 5)
                    ? new PictureUrl.Inline(ByteBuffer.wrap(url.getBytes(StandardCharsets.UTF_8)), at)
                    : new PictureUrl.Remote(url, at);
        }

        private Sampling readSampling(Fields request) {
            Integer maxTokens = request.integer("max_tokens", 1, Integer.MAX_VALUE);
            Integer maxCompletionTokens = request.integer("max_completion_tokens", 1, Integer.MAX_VALUE);
            if (maxTokens != null && maxCompletionTokens != null && !maxTokens.equals(maxCompletionTokens)) {
                throw Fields.invalid(
                        "max_tokens", "is " + maxTokens + " while max_completion_tokens is " + maxCompletionTokens);
            }
            Integer most = first(maxCompletionTokens, maxTokens, null);
            Integer minTokens = request.integer("min_tokens", 0, Integer.MAX_VALUE);
            if (minTokens != null && most != null && minTokens > most) {
                throw Fields.invalid("min_tokens", "is " + minTokens + ", above the " + most + " tokens at most");
            }
            Integer topK = request.integer("top_k", -1, Integer.MAX_VALUE);
            boolean logprobs = request.flag("logprobs", false);
            Integer topLogprobs = request.integer("top_logprobs", 0, 20);
            if (topLogprobs != null && !logprobs) {
                throw Fields.invalid("top_logprobs", "needs logprobs to be true");
            }
            return new Sampling(
                    most,
                    minTokens,
                    request.number("temperature", 0, 2),
                    aboveZero("top_p", request.number("top_p", 0, 1)),
                    topK == null ? null : (Integer) Math.max(0, topK),
                    request.number("min_p", 0, 1),
                    aboveZero("repetition_penalty", request.number("repetition_penalty", 0, 100)),
                    request.number("presence_penalty", -2, 2),
                    request.number("frequency_penalty", -2, 2),
                    request.longInteger("seed", Long.MIN_VALUE, Long.MAX_VALUE),
                    readStop(request),
                    logprobs ? (Integer) (topLogprobs == null ? 0 : topLogprobs) : null,
                    readLogitBias(request),
                    request.flag("ignore_eos", false));
        }

        private @Nullable Double aboveZero(String name, @Nullable Double value) {
            if (value != null && value == 0) {
                throw Fields.invalid(name, "is 0, expected a number above 0; for greedy decoding set temperature to 0");
            }
            return value;
        }

        private List<String> readStop(Fields request) {
            JsonNode stop = request.any("stop");
            if (stop == null) {
                return List.of();
            }
            if (stop.isString()) {
                return List.of(notEmpty(request.text(stop, "stop"), "stop"));
            }
            if (!stop.isArray()) {
                throw Fields.wrongType("stop", stop, "a string or a list of strings");
            }
            if (stop.size() > MAX_STOPS) {
                throw Fields.invalid("stop", "holds " + stop.size() + " texts, expected at most " + MAX_STOPS);
            }
            List<String> texts = new ArrayList<>(stop.size());
            for (int i = 0; i < stop.size(); i++) {
                String at = "stop[" + i + "]";
                texts.add(notEmpty(request.text(stop.get(i), at), at));
            }
            return texts;
        }

        private String notEmpty(String text, String at) {
            if (text.isEmpty()) {
                throw Fields.invalid(at, "is empty, expected a text that ends the answer");
            }
            count(text, at);
            return text;
        }

        private Map<Integer, Double> readLogitBias(Fields request) {
            JsonNode bias = request.any("logit_bias");
            if (bias == null) {
                return Map.of();
            }
            if (!bias.isObject()) {
                throw Fields.wrongType("logit_bias", bias, "an object from token ids to numbers");
            }
            Map<Integer, Double> read = new HashMap<>();
            for (Map.Entry<String, JsonNode> entry : bias.properties()) {
                String id = entry.getKey();
                if (!id.matches("[0-9]{1,9}")) {
                    throw Fields.invalid("logit_bias", "has a key that is not a token id");
                }
                read.put(Integer.parseInt(id), Fields.number(entry.getValue(), "logit_bias." + id, -100, 100));
            }
            return read;
        }

        private boolean readStreamOptions(@Nullable Fields options, boolean stream) {
            if (options == null) {
                return false;
            }
            if (!stream) {
                throw Fields.invalid("stream_options", "needs stream to be true");
            }
            boolean includeUsage = options.flag("include_usage", false);
            if (options.flag("include_obfuscation", false)) {
                throw Fields.unsupported(options.at("include_obfuscation"), "is true, which is not supported");
            }
            options.end();
            return includeUsage;
        }

        private void readHarmless(Fields request) {
            HARMLESS_TEXTS.forEach(request::text);
            Fields metadata = request.object("metadata");
            if (metadata != null) {
                metadata.texts();
            }
            if (request.flag("store", false)) {
                throw Fields.unsupported("store", "is true, which is not supported: nothing is stored");
            }
            Integer n = request.integer("n", 1, 128);
            if (n != null && n != 1) {
                throw Fields.unsupported("n", "is " + n + ", only 1 is supported; send the request again for more");
            }
            String tier = request.text("service_tier");
            if (tier != null && !tier.equals("auto") && !tier.equals("default")) {
                throw Fields.unsupported("service_tier", "is not supported except as auto or default");
            }
            JsonNode modalities = request.any("modalities");
            if (modalities != null) {
                if (!modalities.isArray()) {
                    throw Fields.wrongType("modalities", modalities, "a list");
                }
                for (JsonNode modality : modalities) {
                    if (!modality.isString() || !modality.stringValue().equals("text")) {
                        throw Fields.unsupported("modalities", "holds more than text, which is not supported");
                    }
                }
            }
            Fields format = request.object("response_format");
            if (format != null) {
                if (!format.requiredText("type").equals("text")) {
                    throw Fields.unsupported("response_format", "is not supported except as {\"type\": \"text\"}");
                }
                format.end();
            }
        }
    }

    private static <T> @Nullable T first(@Nullable T one, @Nullable T two, @Nullable T three) {
        return one != null ? one : two != null ? two : three;
    }
}
