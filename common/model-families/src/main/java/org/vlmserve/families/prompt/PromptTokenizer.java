package org.vlmserve.families.prompt;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Makes tokens of a rendered prompt, in which what the template wrote is told from what callers wrote. A control token of the
 * template's is its token; the same characters in a caller's text are text.
 *
 * <p>Into a caller's text goes, behind the first character of each control token in it, and of each beginning of one at its end, a
 * marker: a character that no caller wrote. What is left of control tokens in the rendered prompt is the template's. There the prompt
 * is cut, and each piece between, its markers taken out again, is encoded by a tokenizer that lacks these tokens. That is what the
 * tokenizers library itself does with added tokens, so that pieces come out as they would in one. A prompt without a marker is encoded
 * in one, by the reference's own tokenizer.
 */
public final class PromptTokenizer {

    /** Characters that Unicode keeps out of texts, then those that it leaves to private use. */
    private static final int[] MARKERS = IntStream.concat(
                    IntStream.rangeClosed(0xFDD0, 0xFDEF), IntStream.rangeClosed(0xE000, 0xF8FF))
            .toArray();

    /**
     * A token that a template emits as structure.
     *
     * @param lstrip whether it takes the white space before it along
     * @param rstrip whether it takes the white space behind it along
     * @param restarts whether the text behind it begins as a prompt does
     */
    private record Control(String content, int id, boolean lstrip, boolean rstrip, boolean restarts) {}

    private final Tokenizer tokenizer;
    private final Function<String, int[]> whole;
    private final ControlTokens setting;
    private final Map<String, Control> controls;
    private final Set<String> others;
    private final List<Integer> lengths;
    private final Set<Character> firsts;
    private final Set<Character> allFirsts;
    private final Function<String, int[]> first;
    private final Function<String, int[]> later;

    private PromptTokenizer(
            Tokenizer tokenizer,
            Function<String, int[]> whole,
            ControlTokens setting,
            Map<String, Control> controls,
            Set<String> others,
            Function<String, int[]> first,
            Function<String, int[]> later) {
        this.tokenizer = tokenizer;
        this.whole = whole;
        this.setting = setting;
        this.controls = controls;
        this.others = others;
        this.first = first;
        this.later = later;
        this.firsts = firsts(controls.keySet());
        this.allFirsts = new HashSet<>(firsts);
        allFirsts.addAll(firsts(others));
        this.lengths = Stream.concat(controls.keySet().stream(), others.stream())
                .map(String::length)
                .distinct()
                .sorted(Comparator.reverseOrder())
                .toList();
    }

    /**
     * A bundle's tokenizer. Structure are those of its special tokens that have a name, end an answer or stand in the chat template; all
     * of them in a bundle without a template.
     *
     * @param named texts of the tokens that have a name, and of those that mark a place of a picture
     */
    public static PromptTokenizer of(Bundle bundle, ControlTokens setting, Collection<String> named) {
        ObjectNode json = HuggingFaceTokenizerFile.read(bundle.tokenizer());
        HuggingFaceTokenizerFile file = new HuggingFaceTokenizerFile(bundle.tokenizer(), json);
        if (setting == ControlTokens.TOKENS) {
            return new PromptTokenizer(file, file::encode, setting, Map.of(), Set.of(), file::encode, file::encode);
        }
        String template = bundle.manifest().chatTemplate();
        List<Integer> ends = bundle.manifest().generation().eosTokenIds();
        Map<String, Control> controls = new LinkedHashMap<>();
        Set<String> others = new HashSet<>();
        for (JsonNode token : json.path("added_tokens")) {
            String content = token.path("content").asString("");
            if (content.isEmpty()) {
                continue;
            }
            int id = token.path("id").asInt();
            boolean structure = named.contains(content)
                    || ends.contains(id)
                    || (token.path("special").asBoolean() && (template == null || template.contains(content)));
            if (structure) {
                boolean lstrip = token.path("lstrip").asBoolean();
                controls.put(
                        content,
                        new Control(content, id, lstrip, token.path("rstrip").asBoolean(), false));
            } else {
                others.add(content);
            }
        }
        ObjectNode without = without(json, controls.keySet());
        Function<String, int[]> first = HuggingFaceTokenizerFile.encoder(bundle.tokenizer(), without);
        // A tokenizer that puts a space before the first word alone must know which piece is the first.
        Function<String, int[]> later =
                startsDifferently(without) ? HuggingFaceTokenizerFile.encoder(bundle.tokenizer(), without) : first;
        return new PromptTokenizer(file, file::encode, setting, controls, others, first, later);
    }

    /**
     * The same, with a marker that is no token: the prompt is cut there whatever the setting, and what stands behind it begins as a
     * prompt does.
     *
     * @param id what stands for it among the ids
     */
    public PromptTokenizer cutAt(String marker, int id) {
        Map<String, Control> more = new LinkedHashMap<>(controls);
        more.put(marker, new Control(marker, id, false, false, true));
        Set<String> fewer = new HashSet<>(others);
        fewer.remove(marker);
        Function<String, int[]> pieces = text -> {
            IntStream.Builder ids = IntStream.builder();
            String[] parts = text.split(Pattern.quote(marker), -1);
            for (int i = 0; i < parts.length; i++) {
                if (i > 0) {
                    ids.add(id);
                }
                IntStream.of(whole.apply(parts[i])).forEach(ids::add);
            }
            return ids.build().toArray();
        };
        return new PromptTokenizer(
                tokenizer, pieces, setting, setting == ControlTokens.TEXT ? more : controls, fewer, first, later);
    }

    private static Set<Character> firsts(Set<String> contents) {
        Set<Character> firsts = new HashSet<>();
        contents.forEach(content -> firsts.add(content.charAt(0)));
        return firsts;
    }

    /** For single tokens and for answers. */
    public Tokenizer tokenizer() {
        return tokenizer;
    }

    /** Whether a marker of a picture's place in a caller's text would be taken for one. */
    public boolean readsMarkers() {
        return setting == ControlTokens.TOKENS;
    }

    /** Added tokens without these, and a vocabulary out of which no merge makes them. */
    private static ObjectNode without(ObjectNode json, Set<String> contents) {
        ObjectNode copy = json.deepCopy();
        copy.withArray("added_tokens")
                .removeIf(token -> contents.contains(token.path("content").asString()));
        if (copy.path("model") instanceof ObjectNode model && model.path("merges") instanceof ArrayNode merges) {
            merges.removeIf(merge -> {
                List<String> parts = merge.isString()
                        ? List.of(merge.stringValue().split(" ", -1))
                        : merge.valueStream().map(JsonNode::asString).toList();
                return contents.contains(String.join("", parts))
                        || parts.stream().anyMatch(contents::contains);
            });
            String unknown = model.path("unk_token").asString("");
            ObjectNode vocabulary = (ObjectNode) model.path("vocab");
            for (String content : contents) {
                JsonNode id = vocabulary.path(content);
                if (id.isInt() && !content.equals(unknown)) {
                    vocabulary.remove(content);
                    vocabulary.set((char) MARKERS[0] + content, id);
                }
            }
            // The library numbers added tokens anew unless they are in the vocabulary.
            for (JsonNode token : copy.path("added_tokens")) {
                vocabulary.set(token.path("content").asString(), token.path("id"));
            }
        }
        return copy;
    }

    /** Whether the first word of a prompt alone gets a space; changes {@code json} so that none does. */
    private static boolean startsDifferently(ObjectNode json) {
        JsonNode split = json.path("pre_tokenizer");
        boolean found = false;
        for (JsonNode step : split.has("pretokenizers") ? split.path("pretokenizers") : List.of(split)) {
            if (step instanceof ObjectNode pieces
                    && pieces.path("prepend_scheme").asString("").equals("first")) {
                pieces.put("prepend_scheme", "never");
                found = true;
            }
        }
        return found;
    }

    /**
     * Keeps the texts of one prompt apart from its template.
     *
     * @param arguments a caller's own for the chat template, plain JSON values
     */
    public Guard guard(List<ChatTurn> turns, Map<String, ?> arguments) {
        Set<Character> used = new HashSet<>();
        for (ChatTurn turn : turns) {
            for (ChatTurn.Part part : turn.parts()) {
                if (part instanceof ChatTurn.Text text) {
                    use(text.text(), used);
                }
            }
        }
        use(arguments, used);
        for (int marker : MARKERS) {
            if (!used.contains((char) marker)) {
                return new Guard((char) marker);
            }
        }
        throw new VlmException(
                ErrorCode.PROMPT_UNSUPPORTED,
                "the texts hold every character of Unicode's private use area and every one that it keeps out of texts;"
                        + " leave one of them out");
    }

    private static void use(@Nullable Object value, Set<Character> used) {
        if (value instanceof String text) {
            text.chars().filter(PromptTokenizer::isMarker).forEach(c -> used.add((char) c));
        } else if (value instanceof Map<?, ?> map) {
            map.forEach((key, each) -> {
                use(key, used);
                use(each, used);
            });
        } else if (value instanceof List<?> list) {
            list.forEach(each -> use(each, used));
        }
    }

    private static boolean isMarker(int character) {
        return character >= 0xE000 && character <= 0xF8FF || character >= 0xFDD0 && character <= 0xFDEF;
    }

    /** One prompt's texts and template. Not thread-safe. */
    public final class Guard {

        private final char marker;
        private boolean marked;

        private Guard(char marker) {
            this.marker = marker;
        }

        /** A caller's text for the template. */
        public String protect(String text) {
            int end = text.stripTrailing().length();
            StringBuilder safe = null;
            int copied = 0;
            for (int i = 0; i < text.length(); i++) {
                if (firsts.contains(text.charAt(i)) && mayBegin(text, i, end)) {
                    safe = safe == null ? new StringBuilder() : safe;
                    safe.append(text, copied, i + 1).append(marker);
                    copied = i + 1;
                }
            }
            if (safe == null) {
                return text;
            }
            marked = true;
            return safe.append(text, copied, text.length()).toString();
        }

        /** Whether a control token begins here, or may with what follows in the prompt. */
        private boolean mayBegin(String text, int at, int end) {
            for (String content : controls.keySet()) {
                if (text.startsWith(content, at)
                        || (end - at < content.length() && content.startsWith(text.substring(at, Math.max(at, end))))) {
                    return true;
                }
            }
            return false;
        }

        /** A caller's arguments for the template. */
        public Map<String, @Nullable Object> protect(Map<String, ?> arguments) {
            Map<String, @Nullable Object> safe = new LinkedHashMap<>();
            arguments.forEach((name, value) -> safe.put(name, protectValue(value)));
            return safe;
        }

        private @Nullable Object protectValue(@Nullable Object value) {
            if (value instanceof String text) {
                return protect(text);
            }
            if (value instanceof Map<?, ?> map) {
                Map<Object, @Nullable Object> safe = new LinkedHashMap<>();
                map.forEach(
                        (key, each) -> safe.put(key instanceof String text ? protect(text) : key, protectValue(each)));
                return safe;
            }
            if (value instanceof List<?> list) {
                List<@Nullable Object> safe = new ArrayList<>();
                list.forEach(each -> safe.add(protectValue(each)));
                return safe;
            }
            return value;
        }

        /** A rendered prompt as the model sees it. */
        public String plain(String rendered) {
            return marked ? rendered.replace(String.valueOf(marker), "") : rendered;
        }

        /** The tokens of a rendered prompt. */
        public int[] encode(String rendered) {
            if (!marked) {
                return whole.apply(rendered);
            }
            IntStream.Builder ids = IntStream.builder();
            int from = 0;
            boolean begins = true;
            boolean stripped = false;
            for (int at = 0; at < rendered.length(); ) {
                String found = addedTokenAt(rendered, at);
                Control control = found == null ? null : controls.get(found);
                if (control != null) {
                    String piece = rendered.substring(from, at);
                    piece(control.lstrip() ? piece.stripTrailing() : piece, begins, stripped, ids);
                    ids.add(control.id());
                    from = at + control.content().length();
                    begins = control.restarts();
                    stripped = control.rstrip();
                }
                at += found == null ? 1 : found.length();
            }
            piece(rendered.substring(from), begins, stripped, ids);
            return ids.build().toArray();
        }

        private void piece(String marked, boolean begins, boolean stripped, IntStream.Builder ids) {
            String text = plain(stripped ? marked.stripLeading() : marked);
            if (!text.isEmpty()) {
                IntStream.of((begins ? first : later).apply(text)).forEach(ids::add);
            }
        }

        /** The longest of the added tokens that stand here, or null. */
        private @Nullable String addedTokenAt(String text, int at) {
            if (!allFirsts.contains(text.charAt(at))) {
                return null;
            }
            for (int length : lengths) {
                if (at + length <= text.length()) {
                    String candidate = text.substring(at, at + length);
                    if (controls.containsKey(candidate) || others.contains(candidate)) {
                        return candidate;
                    }
                }
            }
            return null;
        }
    }
}
