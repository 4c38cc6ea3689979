package org.vlmserve.families.checkpoint;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.databind.JsonNode;

/** A checkpoint's chat template, from where transformers' processor looks, in its order. */
public final class ChatTemplates {

    private static final long LARGEST_FILE = 1 << 20;

    private ChatTemplates() {}

    /**
     * @param given a file that takes the place of the checkpoint's own
     * @throws VlmException {@code CHECKPOINT_UNREADABLE} if there is none
     */
    public static String require(Path checkpoint, @Nullable Path given) {
        String found = find(checkpoint, given);
        if (found == null) {
            throw new VlmException(
                    ErrorCode.CHECKPOINT_UNREADABLE,
                    checkpoint + ": there is no chat template; expected chat_template.jinja, chat_template.json or a"
                            + " chat_template in tokenizer_config.json, or one given with --chat-template");
        }
        return found;
    }

    /**
     * @param given a file that takes the place of the checkpoint's own
     * @return Jinja source, or null if there is none
     * @throws VlmException {@code CHECKPOINT_UNREADABLE} for a file that cannot be read
     */
    public static @Nullable String find(Path checkpoint, @Nullable Path given) {
        if (given != null) {
            return text(given);
        }
        Path jinja = checkpoint.resolve("chat_template.jinja");
        if (Files.exists(jinja)) {
            return text(jinja);
        }
        for (String name : List.of("chat_template.json", "processor_config.json")) {
            CheckpointJson file = CheckpointJson.readIfPresent(checkpoint.resolve(name));
            if (file != null && file.has("chat_template")) {
                return file.string("chat_template", "");
            }
        }
        CheckpointJson tokenizer = CheckpointJson.readIfPresent(checkpoint.resolve("tokenizer_config.json"));
        if (tokenizer == null) {
            return null;
        }
        JsonNode template = tokenizer.node("chat_template");
        if (template.isString()) {
            return template.stringValue();
        }
        for (CheckpointJson named : tokenizer.objects("chat_template")) {
            if (named.string("name", "").equals("default")) {
                return named.string("template", "");
            }
        }
        return null;
    }

    private static String text(Path file) {
        String mistaken = FileContent.TEXT.mistaken(file);
        if (mistaken != null) {
            throw new VlmException(ErrorCode.CHECKPOINT_UNREADABLE, file + ": is no chat template: " + mistaken);
        }
        try {
            if (Files.size(file) > LARGEST_FILE) {
                throw new VlmException(
                        ErrorCode.CHECKPOINT_UNREADABLE,
                        file + ": it has " + Files.size(file) + " bytes, expected a chat template of at most "
                                + LARGEST_FILE);
            }
            return Files.readString(file);
        } catch (IOException e) {
            throw new VlmException(ErrorCode.CHECKPOINT_UNREADABLE, file + ": cannot be read: " + e, e);
        }
    }
}
