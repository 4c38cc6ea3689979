package org.vlmserve.decoder;

import java.util.List;
import org.vlmserve.families.prompt.Tokenizer;

/**
 * The text of one answer, grown token by token. Text that may still become a stop text is held back; a stop text ends the
 * answer and is not part of it. The stop that is complete first counts, the longest of those complete at once: so the
 * outcome does not depend on how tokens cut the text.
 */
final class AnswerText {

    private final Tokenizer.IncrementalDecoder decoder;
    private final List<String> stops;
    private final int unsearchedTokens;
    private final StringBuilder text = new StringBuilder();
    private final StringBuilder held = new StringBuilder();
    private int tokens;
    private boolean stopped;

    /** @param unsearchedTokens the text of so many first tokens is not searched for stops, as in vLLM's min_tokens */
    AnswerText(Tokenizer.IncrementalDecoder decoder, List<String> stops, int unsearchedTokens) {
        this.decoder = decoder;
        this.stops = stops;
        this.unsearchedTokens = unsearchedTokens;
    }

    /** Takes a token in and gives what the answer grows by. */
    String append(int tokenId) {
        tokens++;
        return grow(decoder.next(tokenId));
    }

    /** No more tokens come: gives what was held back and what an incomplete character decodes to. */
    String finish() {
        if (stopped) {
            return "";
        }
        String rest = grow(decoder.finish());
        if (!stopped) {
            rest += held;
            text.append(held);
            held.setLength(0);
        }
        return rest;
    }

    /** Whether a stop text is complete. */
    boolean stopped() {
        return stopped;
    }

    /** All that was given out. */
    @Override
    public String toString() {
        return text.toString();
    }

    private String grow(String piece) {
        if (stopped) {
            return "";
        }
        if (tokens <= unsearchedTokens) {
            text.append(piece);
            return piece;
        }
        for (int i = 0; i < piece.length(); i++) {
            held.append(piece.charAt(i));
            int stop = completedStop();
            if (stop > 0) {
                held.setLength(held.length() - stop);
                stopped = true;
                return release(held.length());
            }
        }
        return release(held.length() - undecided());
    }

    private String release(int length) {
        String released = held.substring(0, length);
        text.append(released);
        held.delete(0, length);
        return released;
    }

    /** Length of the longest stop that the held text ends with, or 0. */
    private int completedStop() {
        int longest = 0;
        for (String stop : stops) {
            if (stop.length() > longest && endsWith(stop, stop.length())) {
                longest = stop.length();
            }
        }
        return longest;
    }

    /** Length of the longest end of the held text that is the beginning of a stop. */
    private int undecided() {
        int longest = 0;
        for (String stop : stops) {
            for (int length = Math.min(stop.length() - 1, held.length()); length > longest; length--) {
                if (endsWith(stop, length)) {
                    longest = length;
                }
            }
        }
        return longest;
    }

    private boolean endsWith(String stop, int length) {
        int start = held.length() - length;
        if (start < 0) {
            return false;
        }
        for (int i = 0; i < length; i++) {
            if (held.charAt(start + i) != stop.charAt(i)) {
                return false;
            }
        }
        return true;
    }
}
