package org.vlmserve.gateway.chat;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.AnswerEvent.Finished;
import org.vlmserve.protocol.AnswerEvent.Token;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** One answer as server-sent events, in order: role, texts, finish reason, usage if wanted, {@code [DONE]}. */
final class SseWriter {

    private static final byte[] KEEP_ALIVE = ": keep-alive\n\n".getBytes(StandardCharsets.UTF_8);
    private static final byte[] DONE = "data: [DONE]\n\n".getBytes(StandardCharsets.UTF_8);

    private final ChatResponses responses;
    private final boolean includeUsage;
    private final JsonMapper json;
    private boolean begun;
    private boolean roleSent;
    private int sentLength;

    SseWriter(ChatResponses responses, boolean includeUsage, JsonMapper json) {
        this.responses = responses;
        this.includeUsage = includeUsage;
        this.json = json;
    }

    /** Whether anything was sent, so that an error can no longer be an HTTP status. */
    boolean begun() {
        return begun;
    }

    /** What this signal adds to the stream, possibly nothing. */
    List<byte[]> events(AnswerStream.Signal signal) {
        List<byte[]> events = new ArrayList<>();
        switch (signal) {
            case AnswerStream.Signal.Idle idle -> events.add(KEEP_ALIVE);
            case AnswerStream.Signal.Event told -> {
                AnswerEvent event = told.event();
                if (!roleSent) {
                    roleSent = true;
                    events.add(data(responses.roleChunk()));
                }
                if (event instanceof Token token) {
                    sentLength += token.text().length();
                    if (!token.text().isEmpty() || responses.logprobs()) {
                        events.add(data(responses.textChunk(token.text(), token)));
                    }
                } else if (event instanceof Finished finished) {
                    finish(finished, events);
                }
            }
        }
        begun |= !events.isEmpty();
        return events;
    }

    private void finish(Finished finished, List<byte[]> events) {
        // Characters that were undecided until the end came with no token.
        if (finished.text().length() > sentLength) {
            events.add(data(responses.textChunk(finished.text().substring(sentLength), null)));
        }
        events.add(data(responses.finishChunk(finished, !includeUsage)));
        if (includeUsage) {
            events.add(data(responses.usageChunk(finished)));
        }
        events.add(DONE);
    }

    byte[] error(JsonNode body) {
        return data(body);
    }

    private byte[] data(JsonNode body) {
        return ("data: " + json.writeValueAsString(body) + "\n\n").getBytes(StandardCharsets.UTF_8);
    }
}
