package org.vlmserve.gateway.chat;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.AnswerEvent.Finished;
import org.vlmserve.protocol.AnswerEvent.Token;
import org.vlmserve.protocol.AnswerEvent.TokenLogprob;
import org.vlmserve.protocol.AnswerEvent.Usage;
import org.vlmserve.protocol.Region;
import org.vlmserve.protocol.StageTimes;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;
import tools.jackson.databind.util.RawValue;

/**
 * One answer's JSON, whole or in chunks, as OpenAI writes it, with the {@code vlm} object beside it.
 *
 * @param id of the response, the same in all chunks
 * @param logprobs whether the caller asked for them
 * @param pictureFetch how long the gateway took to fetch or decode the pictures
 * @param ignored fields of the request that have no effect
 */
record ChatResponses(
        String id, String model, Instant created, boolean logprobs, Duration pictureFetch, IgnoredFields ignored) {

    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    /** @param entries of {@link #logprobEntry} for each of the answer's tokens if logprobs were asked for, else of no interest */
    ObjectNode completion(List<RawValue> entries, Finished finished) {
        ObjectNode message = NODES.objectNode();
        message.put("role", "assistant");
        message.put("content", finished.text());
        message.putNull("refusal");
        ObjectNode choice = NODES.objectNode();
        choice.put("index", 0);
        choice.set("message", message);
        choice.set("logprobs", logprobs ? logprobs(entries) : NODES.nullNode());
        choice.put("finish_reason", reason(finished));
        ObjectNode response = head("chat.completion");
        response.putArray("choices").add(choice);
        response.set("usage", usage(finished.usage()));
        response.set("vlm", vlm(finished));
        return response;
    }

    ObjectNode roleChunk() {
        ObjectNode delta = NODES.objectNode();
        delta.put("role", "assistant");
        delta.put("content", "");
        return chunk(delta, null, null);
    }

    /** @param token whose log-probabilities go along, or null */
    ObjectNode textChunk(String text, @Nullable Token token) {
        ObjectNode delta = NODES.objectNode();
        delta.put("content", text);
        return chunk(delta, logprobs && token != null ? logprobs(token) : null, null);
    }

    /** @param last whether no chunk follows, so that this one carries {@code vlm} */
    ObjectNode finishChunk(Finished finished, boolean last) {
        ObjectNode chunk = chunk(NODES.objectNode(), null, reason(finished));
        if (last) {
            chunk.set("vlm", vlm(finished));
        }
        return chunk;
    }

    ObjectNode usageChunk(Finished finished) {
        ObjectNode chunk = head("chat.completion.chunk");
        chunk.putArray("choices");
        chunk.set("usage", usage(finished.usage()));
        chunk.set("vlm", vlm(finished));
        return chunk;
    }

    private ObjectNode chunk(ObjectNode delta, @Nullable ObjectNode logprobs, @Nullable String finishReason) {
        ObjectNode choice = NODES.objectNode();
        choice.put("index", 0);
        choice.set("delta", delta);
        choice.set("logprobs", logprobs == null ? NODES.nullNode() : logprobs);
        choice.put("finish_reason", finishReason);
        ObjectNode chunk = head("chat.completion.chunk");
        chunk.putArray("choices").add(choice);
        return chunk;
    }

    private ObjectNode head(String object) {
        ObjectNode head = NODES.objectNode();
        head.put("id", id);
        head.put("object", object);
        head.put("created", created.getEpochSecond());
        head.put("model", model);
        return head;
    }

    private static String reason(Finished finished) {
        return finished.reason().name().toLowerCase(Locale.ROOT);
    }

    private static ObjectNode usage(Usage usage) {
        ObjectNode node = NODES.objectNode();
        node.put("prompt_tokens", usage.promptTokens());
        node.put("completion_tokens", usage.completionTokens());
        node.put("total_tokens", usage.promptTokens() + usage.completionTokens());
        ObjectNode details = node.putObject("prompt_tokens_details");
        details.put("cached_tokens", usage.cachedTokens());
        details.put("image_tokens", usage.pictureTokens());
        return node;
    }

    private static ObjectNode logprobs(Token token) {
        ObjectNode node = NODES.objectNode();
        ArrayNode content = node.putArray("content");
        ObjectNode entry = logprobEntry(token);
        if (entry != null) {
            content.add(entry);
        }
        node.putNull("refusal");
        return node;
    }

    private static ObjectNode logprobs(List<RawValue> entries) {
        ObjectNode node = NODES.objectNode();
        ArrayNode content = node.putArray("content");
        entries.forEach(entry -> content.add(NODES.rawValueNode(entry)));
        node.putNull("refusal");
        return node;
    }

    /** A token's own log-probability and its alternatives', or null if it has none. */
    static @Nullable ObjectNode logprobEntry(Token token) {
        TokenLogprob chosen = token.logprob();
        if (chosen == null) {
            return null;
        }
        ObjectNode entry = logprob(chosen);
        ArrayNode top = entry.putArray("top_logprobs");
        token.top().forEach(alternative -> top.add(logprob(alternative)));
        return entry;
    }

    private static ObjectNode logprob(TokenLogprob token) {
        ObjectNode node = NODES.objectNode();
        node.put("token", new String(token.bytes(), StandardCharsets.UTF_8));
        // JSON has no infinities; OpenAI writes -9999 for a token that cannot be.
        node.put("logprob", Math.max(token.logprob(), -9999.0));
        ArrayNode bytes = node.putArray("bytes");
        for (byte one : token.bytes()) {
            bytes.add(one & 0xFF);
        }
        return node;
    }

    private ObjectNode vlm(Finished finished) {
        StageTimes times = finished.times();
        ObjectNode vlm = NODES.objectNode();
        ObjectNode millis = vlm.putObject("times_ms");
        millis.put("queue", millis(times.queue()));
        millis.put("picture_fetch", millis(pictureFetch));
        millis.put("picture_decode", millis(times.pictureDecode()));
        millis.put("encode", millis(times.encode()));
        millis.put("project", millis(times.project()));
        millis.put("prefill", millis(times.prefill()));
        millis.put("answer", millis(times.answer()));
        ArrayNode pictures = vlm.putArray("pictures");
        finished.pictures().forEach(layout -> pictures.add(LayoutJson.of(layout)));
        ArrayNode regions = vlm.putArray("regions");
        for (Region region : finished.regions()) {
            regions.addObject()
                    .put("label", region.label())
                    .put("picture", region.picture())
                    .put("x1", region.x1())
                    .put("y1", region.y1())
                    .put("x2", region.x2())
                    .put("y2", region.y2());
        }
        ArrayNode notes = vlm.putArray("notes");
        finished.notes().forEach(notes::add);
        ignored.tell(vlm);
        return vlm;
    }

    /** To the microsecond. */
    private static double millis(Duration duration) {
        return Math.round(duration.toNanos() / 1e3) / 1e3;
    }
}
