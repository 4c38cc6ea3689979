package org.vlmserve.protocol;

import java.util.List;

/**
 * One message of a conversation.
 *
 * @param role as the chat template knows it: {@code system}, {@code user} or {@code assistant}
 * @param parts in the caller's order
 * @param plain whether the caller gave a plain string rather than a list of parts: templates may treat the two apart
 */
public record ChatTurn(String role, List<Part> parts, boolean plain) {

    public ChatTurn {
        parts = List.copyOf(parts);
        if (plain && (parts.size() != 1 || !(parts.getFirst() instanceof Text))) {
            throw new IllegalArgumentException("a plain turn holds exactly one text, got " + parts.size() + " parts");
        }
    }

    /** A part of a message. */
    public sealed interface Part {}

    public record Text(String text) implements Part {}

    /** What stands for pixels. */
    public sealed interface Visual extends Part {

        /** Which entry of {@link PromptJob#pictures()} stands here; pictures and videos are counted together. */
        int index();
    }

    public record Picture(int index) implements Visual {}

    public record Video(int index) implements Visual {}
}
