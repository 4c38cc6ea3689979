package org.vlmserve.families.prompt;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * What has to hold of a {@code tokenizer.json} before the tokenizers library sees it. That library panics on some contents, when it reads
 * them or when it later meets a text, and a panic in native code ends the process (tokenizers 0.21.4: {@code models/bpe/model.rs} for
 * prefixes, {@code normalizers/mod.rs} for {@code Precompiled}; onig 6.5.1: {@code lib.rs} for an expression that gives up).
 */
final class TokenizerCheck {

    private static final Set<String> NORMALIZERS = Set.of(
            "Sequence", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Prepend", "Replace", "Strip", "StripAccents");

    private static final Set<String> PRE_TOKENIZERS = Set.of(
            "Sequence", "ByteLevel", "Digits", "Metaspace", "Punctuation", "Split", "Whitespace", "WhitespaceSplit");

    private TokenizerCheck() {}

    /** What is wrong with a file, with what was expected; or null. */
    static @Nullable String fault(JsonNode json) {
        JsonNode model = json.path("model");
        String type = model.path("type").asString("BPE");
        if (!type.equals("BPE")) {
            return "model.type is '" + type + "'; supported: BPE";
        }
        JsonNode prefix = model.path("continuing_subword_prefix");
        if (!prefix.isMissingNode() && !prefix.isNull() && !prefix.asString("?").isEmpty()) {
            return "model.continuing_subword_prefix is " + prefix + "; supported: none";
        }
        String fault = fault("normalizer", json.path("normalizer"), NORMALIZERS);
        return fault != null ? fault : fault("pre_tokenizer", json.path("pre_tokenizer"), PRE_TOKENIZERS);
    }

    private static @Nullable String fault(String where, JsonNode root, Set<String> known) {
        Deque<JsonNode> left = new ArrayDeque<>(List.of(root));
        while (!left.isEmpty()) {
            JsonNode part = left.pop();
            if (part.isNull() || part.isMissingNode()) {
                continue;
            }
            String type = part.path("type").asString("");
            if (!known.contains(type)) {
                return "a step of " + where + " is of the type '" + type + "'; supported: "
                        + String.join(", ", known.stream().sorted().toList());
            }
            part.path("normalizers").forEach(left::push);
            part.path("pretokenizers").forEach(left::push);
            JsonNode pattern = part.path("pattern");
            String expression = pattern.path("Regex").asString("");
            if (repeatsRepetitions(expression)) {
                return "an expression of " + where + " is '" + expression
                        + "', in which a repeated group holds a repetition; a text could keep it busy for ever";
            }
            if (pattern.path("String").asString("-").isEmpty()) {
                return "a pattern of " + where + " is empty; expected a text to look for";
            }
        }
        return null;
    }

    /**
     * Whether some group that may come any number of times holds something that may: {@code (a+)+}. Matching that by backtracking takes
     * exponential time, and the expression engine gives up on it. Possessive and atomic groups are taken for plain ones.
     */
    static boolean repeatsRepetitions(String expression) {
        // For each open group, whether an unbounded repetition was met in it; the first stands for the whole.
        Deque<Boolean> repeats = new ArrayDeque<>(List.of(false));
        boolean inClass = false;
        boolean closed = false; // whether the last atom was a group, and held a repetition
        for (int i = 0; i < expression.length(); i++) {
            char c = expression.charAt(i);
            boolean lastHeld = closed;
            closed = false;
            if (c == '\\') {
                i++;
            } else if (inClass) {
                inClass = c != ']';
            } else if (c == '[') {
                inClass = true;
                // A bracket that comes first is one of the class.
                i += expression.startsWith("^]", i + 1) ? 2 : expression.startsWith("]", i + 1) ? 1 : 0;
            } else if (c == '(') {
                repeats.push(false);
            } else if (c == ')' && repeats.size() > 1) {
                closed = repeats.pop();
                if (closed) {
                    repeats.pop();
                    repeats.push(true);
                }
            } else if (c == '*' || c == '+' || c == '{' && unbounded(expression, i)) {
                if (lastHeld) {
                    return true;
                }
                repeats.pop();
                repeats.push(true);
            }
        }
        return false;
    }

    /** Whether a brace begins {@code {n,}} or a count so large that it is as bad. */
    private static boolean unbounded(String expression, int brace) {
        int end = expression.indexOf('}', brace);
        if (end < 0) {
            return false;
        }
        String counts = expression.substring(brace + 1, end);
        return counts.matches("\\d*,") || counts.matches("\\d*,?\\d{3,}");
    }
}
