package org.vlmserve.testing.fuzz;

import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/** Mutations of text that a grammar reads: numbers, words, brackets, lines. */
public final class TextMutations {

    /** Numbers as a text writes them, those that are too large, too small, too long or none among them. */
    static final List<String> NUMBERS = List.of(
            "0",
            "-1",
            "1",
            "2147483647",
            "2147483648",
            "-2147483648",
            "4294967296",
            "9007199254740993",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "1e400",
            "-1e400",
            "1e-400000000",
            "1e2147483647",
            "1e999999999999",
            "0.1",
            "1e9",
            "1.5",
            "-0.0",
            "NaN",
            "Infinity",
            "0x10",
            "1_000",
            "9".repeat(400),
            "9".repeat(20_000));

    private static final List<String> STRANGE_CHARACTERS = List.of(
            "\0",
            "\ufeff",
            "\u202e",
            "\ud83d\ude00",
            "\ufffd",
            "\u2581",
            "\"",
            "\\",
            "\n",
            "\r\n",
            "\t",
            "\u00e9",
            "\uffff");

    /** What opens something, with what closes it. */
    private static final List<List<String>> BRACKETS =
            List.of(List.of("(", ")"), List.of("[", "]"), List.of("{", "}"), List.of("{\"a\":", "}"));

    private static final Pattern NUMBER = Pattern.compile("\\d+");
    private static final Pattern WORD = Pattern.compile("[A-Za-z_]+");

    private TextMutations() {}

    public static List<Mutation> all() {
        return of(List.of());
    }

    /**
     * @param dictionary pieces that the grammar knows, of which any may come in anywhere
     */
    public static List<Mutation> of(List<String> dictionary) {
        List<Mutation.OfText> mutations = new ArrayList<>(List.of(
                TextMutations::number,
                TextMutations::word,
                TextMutations::removeLine,
                TextMutations::repeatLine,
                TextMutations::nest,
                TextMutations::lengthen,
                TextMutations::character,
                TextMutations::splice));
        if (!dictionary.isEmpty()) {
            List<String> pieces = List.copyOf(dictionary);
            mutations.add((input, other, random) -> insert(input, pieces, random));
            mutations.add((input, other, random) -> insert(input, pieces, random));
            mutations.add((input, other, random) -> replaceWord(input, pick(pieces, random), random));
        }
        return mutations.stream().map(Mutation.OfText::ofBytes).toList();
    }

    private static String number(String input, String other, RandomGenerator random) {
        return replace(input, NUMBER, pick(NUMBERS, random), random);
    }

    /** A word becomes another word of either input. */
    private static String word(String input, String other, RandomGenerator random) {
        List<MatchResult> words = matches(random.nextBoolean() ? input : other, WORD);
        return words.isEmpty() ? input : replaceWord(input, pick(words, random).group(), random);
    }

    private static String replaceWord(String input, String by, RandomGenerator random) {
        return replace(input, WORD, by, random);
    }

    private static String removeLine(String input, String other, RandomGenerator random) {
        List<String> lines = new ArrayList<>(List.of(input.split("\n", -1)));
        lines.remove(random.nextInt(lines.size()));
        return String.join("\n", lines);
    }

    private static String repeatLine(String input, String other, RandomGenerator random) {
        List<String> lines = new ArrayList<>(List.of(input.split("\n", -1)));
        int at = random.nextInt(lines.size());
        String line = lines.get(at);
        int times = times(1 << random.nextInt(12), line.length());
        lines.set(at, (line + "\n").repeat(times) + line);
        return String.join("\n", lines);
    }

    /** A piece in up to a hundred thousand brackets, some of them without an end. */
    private static String nest(String input, String other, RandomGenerator random) {
        int from = place(input, random);
        int to = from + random.nextInt(Math.min(64, input.length() - from) + 1);
        List<String> bracket = pick(BRACKETS, random);
        int depth = 1 << random.nextInt(18);
        String closing = random.nextInt(4) == 0 ? "" : bracket.getLast().repeat(depth);
        return input.substring(0, from)
                + bracket.getFirst().repeat(depth)
                + input.substring(from, to)
                + closing
                + input.substring(to);
    }

    /** A short piece comes many times. */
    private static String lengthen(String input, String other, RandomGenerator random) {
        int from = place(input, random);
        int to = from + random.nextInt(Math.min(16, input.length() - from) + 1);
        String piece = input.substring(from, to);
        return input.substring(0, to)
                + piece.repeat(times(1 << random.nextInt(18), piece.length()))
                + input.substring(to);
    }

    private static String character(String input, String other, RandomGenerator random) {
        return insert(input, STRANGE_CHARACTERS, random);
    }

    private static String splice(String input, String other, RandomGenerator random) {
        int from = place(other, random);
        int to = from + random.nextInt(Math.min(256, other.length() - from) + 1);
        int at = place(input, random);
        int rest = random.nextBoolean() ? at : Math.min(input.length(), at + to - from);
        return input.substring(0, at) + other.substring(from, to) + input.substring(rest);
    }

    private static String insert(String input, List<String> pieces, RandomGenerator random) {
        int at = place(input, random);
        return input.substring(0, at) + pick(pieces, random) + input.substring(at);
    }

    private static String replace(String input, Pattern what, String by, RandomGenerator random) {
        List<MatchResult> found = matches(input, what);
        if (found.isEmpty()) {
            return input;
        }
        MatchResult one = pick(found, random);
        return input.substring(0, one.start()) + by + input.substring(one.end());
    }

    private static List<MatchResult> matches(String text, Pattern what) {
        return what.matcher(text).results().limit(10_000).toList();
    }

    private static int place(String text, RandomGenerator random) {
        return random.nextInt(text.length() + 1);
    }

    /** So many times, or as often as a piece of this length fits. */
    static int times(int wanted, int length) {
        return Math.min(wanted, Mutator.LARGEST / 4 / Math.max(1, length));
    }

    static <T> T pick(List<T> choices, RandomGenerator random) {
        return choices.get(random.nextInt(choices.size()));
    }
}
