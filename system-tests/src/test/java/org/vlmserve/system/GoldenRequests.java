package org.vlmserve.system;

import java.nio.file.Path;
import org.vlmserve.testing.GoldenCase;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Golden cases as requests to the API. */
final class GoldenRequests {

    private GoldenRequests() {}

    /** Asks what the pictures of a request cost. */
    static ObjectNode planOf(ObjectNode request) {
        ObjectNode plan = ChatClient.JSON.createObjectNode();
        plan.set("model", request.get("model"));
        if (request.has("mm_processor_kwargs")) {
            plan.set("mm_processor_kwargs", request.get("mm_processor_kwargs"));
        }
        ArrayNode pictures = plan.putArray("pictures");
        for (JsonNode message : request.get("messages")) {
            for (JsonNode part : message.path("content")) {
                if (!part.path("type").asString("").equals("text")) {
                    pictures.add(part);
                }
            }
        }
        return plan;
    }

    private static ArrayNode inlined(ArrayNode frames) {
        ArrayNode urls = ChatClient.JSON.createArrayNode();
        frames.forEach(frame -> urls.add(ChatClient.dataUrl(Goldens.find().file(frame.asString()))));
        return urls;
    }

    /** Greedy, with the case's conversation; pictures and frames are inlined and keep their own pixel limits. */
    static ObjectNode of(GoldenCase golden) {
        ObjectNode request = ChatClient.JSON
                .createObjectNode()
                .put("model", golden.checkpoint().name())
                .put("temperature", 0)
                .put("repetition_penalty", 1)
                .put("max_completion_tokens", golden.request().maxTokens());
        request.putObject("mm_processor_kwargs").put("rendering", "reference");
        JsonNode messages = golden.request().messages().deepCopy();
        for (JsonNode message : messages) {
            for (JsonNode part : message.path("content")) {
                if (part.path("image_url") instanceof ObjectNode picture) {
                    Path file = Goldens.find().file(picture.path("url").asString());
                    picture.put("url", ChatClient.dataUrl(file));
                    for (String limit : new String[] {"min_pixels", "max_pixels"}) {
                        if (part.has(limit)) {
                            picture.set(limit, ((ObjectNode) part).remove(limit));
                        }
                    }
                } else if (part.path("video") instanceof ArrayNode frames) {
                    ((ObjectNode) part).set("video", inlined(frames));
                }
            }
        }
        request.set("messages", messages);
        if (!golden.request().templateArguments().isEmpty()) {
            request.set("chat_template_kwargs", golden.request().templateArguments());
        }
        return request;
    }
}
