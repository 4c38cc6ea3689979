package org.vlmserve.gateway.chat;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.vlmserve.gateway.chat.ApiFields.Place;
import org.vlmserve.gateway.chat.ChatRequest.WantedPicture;
import org.vlmserve.gateway.config.ApiConfig;
import org.vlmserve.gateway.config.ApiConfig.UnknownFields;
import org.vlmserve.gateway.config.DetailConfig;
import org.vlmserve.gateway.config.RequestConfig;
import org.vlmserve.gateway.http.MemoryBudget;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.PromptJob;
import org.vlmserve.protocol.ProtocolLimits;
import org.vlmserve.protocol.Sampling;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.exc.StreamConstraintsException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Reads OpenAI's chat completion request, and the requests of our own that share its parts, by the tables of {@link ApiFields}: a field has the effect that {@code
 * docs/api.md} promises, or the answer says that it was ignored, or the request is refused with the field's path. Null is as good as absent everywhere.
 */
public final class ChatRequestParser {

    private static final int MAX_STOPS = 16;

    /** Of JSON, not of a model: names, values and brackets. A conversation has a dozen for each message. */
    private static final long MAX_TOKENS = 200_000;

    /** What a token takes in the tree, beside its text; the costliest are short names, each with an entry in its object's map. */
    private static final long BYTES_A_TOKEN = 128;

    /** Texts are held as strings, of one or two bytes a character, and once more while they are encoded for the road. */
    private static final long TEXT_SHARE = 4;

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
    private final UnknownFields unknown;
    private final JsonMapper json = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    public ChatRequestParser(RequestConfig limits, DetailConfig detail, ApiConfig api) {
        this.limits = limits;
        this.detail = detail;
        this.unknown = api.unknownFields();
    }

    /** @throws VlmException {@code INVALID_REQUEST}, {@code UNSUPPORTED_FIELD}, {@code PIXEL_LIMITS_INVALID},
     *     {@code REQUEST_TOO_LARGE}, with the field at fault */
    ChatRequest parse(byte[] bytes, MemoryBudget budget) {
        CutBody body = new CutBody(bytes);
        return withTree(body, budget, tree -> new Reading(body, Place.REQUEST, tree).read());
    }

    /** As {@link #parse} does. */
    PlanCall parsePlan(byte[] bytes, MemoryBudget budget) {
        CutBody body = new CutBody(bytes);
        return withTree(body, budget, tree -> new Reading(body, Place.PLAN, tree).readPlan());
    }

    /** Reads the JSON without what was cut out; of what that takes, the texts' share stays reserved. */
    private <T> T withTree(CutBody body, MemoryBudget budget, Function<JsonNode, T> read) {
        long size = body.jsonSize();
        if (body.tokens() > MAX_TOKENS) {
            throw new VlmException(
                    ErrorCode.INVALID_REQUEST,
                    "the body's JSON has some " + body.tokens() + " names, values and brackets, at most " + MAX_TOKENS
                            + " are read");
        }
        long texts = TEXT_SHARE * size;
        long tree = size + BYTES_A_TOKEN * body.tokens();
        budget.reserve(texts + tree);
        T request = read.apply(tree(body));
        budget.release(tree);
        return request;
    }

    private JsonNode tree(CutBody body) {
        JsonNode tree;
        try {
            tree = json.readTree(body.json());
        } catch (StreamConstraintsException e) {
            throw new VlmException(
                    ErrorCode.INVALID_REQUEST,
                    "the body's JSON is larger or deeper than is read: " + e.getOriginalMessage(),
                    e);
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

        private final FieldContext context;
        private final Fields request;
        private final VisualParts visuals;
        private long textBytes;

        Reading(CutBody body, Place place, JsonNode tree) {
            this.context = new FieldContext(body, unknown, new IgnoredFields());
            this.request = Fields.of(tree, place, "", context);
            this.visuals = new VisualParts(
                    body, detail, limits.maxPictures(), request.object("mm_processor_kwargs", Place.PROCESSOR));
        }

        ChatRequest read() {
            String model = request.requiredText("model");
            List<ChatTurn> turns = readMessages(request.required("messages", "a list of messages"));
            String templateArguments = readTemplateArguments();
            Sampling sampling = readSampling();
            requireOneTextualAnswer();
            boolean stream = request.flag("stream", false);
            boolean includeUsage = readStreamOptions(stream);
            request.end();
            return new ChatRequest(
                    model,
                    turns,
                    templateArguments,
                    visuals.wanted(),
                    sampling,
                    stream,
                    includeUsage,
                    context.ignored(),
                    context.body().size());
        }

        private String readTemplateArguments() {
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

        PlanCall readPlan() {
            String model = request.requiredText("model");
            JsonNode given = request.required("pictures", "a list of pictures");
            if (!given.isArray()) {
                throw Fields.wrongType("pictures", given, "a list of pictures");
            }
            if (given.isEmpty()) {
                throw Fields.invalid("pictures", "is empty, expected at least one picture");
            }
            visuals.requireFew(given.size(), "pictures");
            List<PlanCall.Part> parts = new ArrayList<>(given.size());
            for (int i = 0; i < given.size(); i++) {
                parts.add(readPlanned(Fields.of(given.get(i), Place.PLANNED, "pictures[" + i + "]", context)));
            }
            request.end();
            return new PlanCall(model, parts, context.ignored(), context.body().size());
        }

        private PlanCall.Part readPlanned(Fields part) {
            String type = part.requiredText("type");
            PlanCall.Part read;
            if (VisualParts.isPicture(type) || VisualParts.isVideo(type)) {
                int index = VisualParts.isPicture(type) ? visuals.picture(part, type) : visuals.video(part, type);
                WantedPicture wanted = visuals.wanted().get(index);
                read = new PlanCall.Part(wanted, null, wanted.limits());
            } else if (type.equals("size")) {
                read = readSize(part.requiredObject("size", Place.SIZE, "an object with width and height"));
            } else {
                throw Fields.invalid(
                        part.at("type"), "is unknown, expected image_url, image, video_url, video or size");
            }
            part.end();
            return read;
        }

        /** With frames it is a video's size. */
        private PlanCall.Part readSize(Fields size) {
            int width = size.requiredInteger("width", 1, Integer.MAX_VALUE);
            int height = size.requiredInteger("height", 1, Integer.MAX_VALUE);
            Integer frames = size.integer("frames", 1, Integer.MAX_VALUE);
            PixelLimits pixels = visuals.limits(size);
            size.end();
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
                turns.add(readMessage(Fields.of(messages.get(i), Place.MESSAGE, "messages[" + i + "]", context)));
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
            JsonNode content = message.any("content");
            String at = message.at("content");
            String refusal = role.equals("assistant") ? message.text("refusal") : null;
            message.end();
            if (refusal != null) {
                if (content != null) {
                    throw Fields.invalid(message.at("refusal"), "stands beside content, expected one of both");
                }
                return plain(role, refusal, message.at("refusal"));
            }
            if (content == null && role.equals("assistant")) {
                // An answer that ended before its first token, sent back as it came.
                return plain(role, "", at);
            }
            if (content == null) {
                throw Fields.invalid(at, "is missing; expected a string or a list of parts");
            }
            if (content.isString()) {
                return plain(role, message.text(content, at), at);
            }
            if (!content.isArray()) {
                throw Fields.wrongType(at, content, "a string or a list of parts");
            }
            List<ChatTurn.Part> parts = new ArrayList<>(content.size());
            for (int i = 0; i < content.size(); i++) {
                String here = at + "[" + i + "]";
                if (content.get(i).isNull()) {
                    continue;
                }
                if (content.get(i).isString()) {
                    parts.add(counted(message.text(content.get(i), here), here));
                } else {
                    ChatTurn.Part part = readPart(Fields.of(content.get(i), Place.PART, here, context), role);
                    if (part != null) {
                        parts.add(part);
                    }
                }
            }
            if (!parts.isEmpty()) {
                return new ChatTurn(role, parts, false);
            }
            if (!role.equals("assistant")) {
                throw Fields.invalid(at, "is empty, expected at least one part");
            }
            return plain(role, "", at);
        }

        private ChatTurn plain(String role, String text, String at) {
            return new ChatTurn(role, List.of(counted(text, at)), true);
        }

        private ChatTurn.Text counted(String text, String at) {
            count(text, at);
            return new ChatTurn.Text(text);
        }

        /** Null for a part that has no effect. */
        private ChatTurn.@Nullable Part readPart(Fields part, String role) {
            String type = part.requiredText("type");
            if (VisualParts.isPicture(type) || VisualParts.isVideo(type)) {
                requireRole("user", role, part, type);
                ChatTurn.Part read = VisualParts.isPicture(type)
                        ? new ChatTurn.Picture(visuals.picture(part, type))
                        : new ChatTurn.Video(visuals.video(part, type));
                part.end();
                return read;
            }
            switch (type) {
                case "text", "input_text" -> {
                    return text(part, "text");
                }
                case "output_text" -> {
                    requireRole("assistant", role, part, type);
                    return text(part, "text");
                }
                case "refusal" -> {
                    requireRole("assistant", role, part, type);
                    return text(part, "refusal");
                }
                case "thinking", "redacted_thinking", "reasoning" -> {
                    requireRole("assistant", role, part, type);
                    context.ignored().add(part.path(), Place.MESSAGE.at("reasoning"));
                    return null;
                }
                case "input_audio",
                        "audio",
                        "audio_url",
                        "file",
                        "input_file",
                        "image_file",
                        "document",
                        "tool_use",
                        "tool_result",
                        "tool-call",
                        "tool-result" ->
                    throw Fields.unsupported(
                            part.at("type"),
                            "is " + type + ", which is not supported; expected text, image_url or video_url");
                default -> throw Fields.invalid(part.at("type"), "is unknown, expected text, image_url or video_url");
            }
        }

        private static void requireRole(String needed, String role, Fields part, String type) {
            if (!role.equals(needed)) {
                throw Fields.invalid(
                        part.at("type"),
                        "is " + type + ", which only " + (needed.equals("user") ? "a user" : "an assistant")
                                + " message holds");
            }
        }

        private ChatTurn.Text text(Fields part, String name) {
            ChatTurn.Text text = counted(part.requiredText(name), part.at(name));
            part.end();
            return text;
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

        private Sampling readSampling() {
            Integer maxTokens = request.ceiling("max_tokens");
            Integer maxCompletionTokens = request.ceiling("max_completion_tokens");
            if (maxTokens != null && maxCompletionTokens != null && !maxTokens.equals(maxCompletionTokens)) {
                throw Fields.invalid(
                        "max_tokens", "is " + maxTokens + " while max_completion_tokens is " + maxCompletionTokens);
            }
            Integer most = maxCompletionTokens == null ? maxTokens : maxCompletionTokens;
            Integer minTokens = request.integer("min_tokens", 0, Integer.MAX_VALUE);
            if (minTokens != null && most != null && minTokens > most) {
                throw Fields.invalid("min_tokens", "is " + minTokens + ", above the " + most + " tokens at most");
            }
            Integer topK = request.integer("top_k", -1, Integer.MAX_VALUE);
            boolean logprobs = request.flag("logprobs", false);
            Integer topLogprobs = request.integer("top_logprobs", 0, 20);
            if (topLogprobs != null && topLogprobs > 0 && !logprobs) {
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
                    readStop(),
                    logprobs ? (Integer) (topLogprobs == null ? 0 : topLogprobs) : null,
                    readLogitBias(),
                    request.flag("ignore_eos", false));
        }

        private @Nullable Double aboveZero(String name, @Nullable Double value) {
            if (value != null && value == 0) {
                throw Fields.invalid(name, "is 0, expected a number above 0; for greedy decoding set temperature to 0");
            }
            return value;
        }

        /** An empty text ends nothing, and counts as absent. */
        private List<String> readStop() {
            JsonNode stop = request.any("stop");
            if (stop == null) {
                return List.of();
            }
            if (!stop.isString() && !stop.isArray()) {
                throw Fields.wrongType("stop", stop, "a string or a list of strings");
            }
            List<String> texts = new ArrayList<>();
            for (int i = 0; i < (stop.isString() ? 1 : stop.size()); i++) {
                JsonNode one = stop.isString() ? stop : stop.get(i);
                if (one.isNull()) {
                    continue;
                }
                String at = stop.isString() ? "stop" : "stop[" + i + "]";
                String text = request.text(one, at);
                if (!text.isEmpty()) {
                    count(text, at);
                    texts.add(text);
                }
            }
            if (texts.size() > MAX_STOPS) {
                throw Fields.invalid("stop", "holds " + texts.size() + " texts, expected at most " + MAX_STOPS);
            }
            return texts;
        }

        private Map<Integer, Double> readLogitBias() {
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
                if (entry.getValue().isNull()) {
                    continue;
                }
                if (!id.matches("[0-9]{1,9}")) {
                    throw Fields.invalid("logit_bias", "has a key that is not a token id");
                }
                read.put(Integer.parseInt(id), Fields.number(entry.getValue(), "logit_bias." + id, -100, 100));
            }
            return read;
        }

        private boolean readStreamOptions(boolean stream) {
            if (!stream) {
                request.ignore("stream_options");
                return false;
            }
            Fields options = request.object("stream_options", Place.STREAM_OPTIONS);
            if (options == null) {
                return false;
            }
            boolean includeUsage = options.flag("include_usage", false);
            options.end();
            return includeUsage;
        }

        /** Refuses what asks for more answers than one, or for another than a text. */
        private void requireOneTextualAnswer() {
            Integer n = request.integer("n", 1, 128);
            if (n != null && n != 1) {
                throw Fields.unsupported("n", "is " + n + ", only 1 is supported; send the request again for more");
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
            Fields format = request.object("response_format", Place.RESPONSE_FORMAT);
            if (format != null) {
                if (!format.requiredText("type").equals("text")) {
                    throw Fields.unsupported("response_format", "is not supported except as {\"type\": \"text\"}");
                }
                format.end();
            }
        }
    }
}
