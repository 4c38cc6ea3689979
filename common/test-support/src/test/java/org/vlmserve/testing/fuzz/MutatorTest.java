package org.vlmserve.testing.fuzz;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

class MutatorTest {

    private static final byte[] JSON = text(
            "{\"sizes\": [1, 2, 3], \"name\": \"tower\", \"inner\": {\"layers\": 12, \"on\": true, \"none\": null}}");

    private static byte[] text(String content) {
        return content.getBytes(StandardCharsets.UTF_8);
    }

    private static List<Mutation> everything() {
        List<Mutation> all = new ArrayList<>(ByteMutations.all());
        all.addAll(TextMutations.of(List.of("{%", "%}")));
        all.addAll(JsonMutations.all());
        return all;
    }

    @Test
    void aSeedSaysEverything() {
        List<byte[]> corpus = List.of(JSON, text("another {{ 1 }}"), new byte[0]);
        Mutator first = new Mutator(corpus, everything(), 11);
        Mutator second = new Mutator(corpus, everything(), 11);
        Mutator other = new Mutator(corpus, everything(), 12);
        List<byte[]> inputs = LongStream.range(0, 500).mapToObj(first::input).toList();
        assertThat(LongStream.range(0, 500)
                        .map(i -> 499 - i)
                        .mapToObj(second::input)
                        .toList()
                        .reversed())
                .usingElementComparator(Arrays::compare)
                .isEqualTo(inputs);
        assertThat(LongStream.range(0, 500)
                        .filter(i -> Arrays.equals(other.input(i), inputs.get((int) i)))
                        .count())
                .isLessThan(50);
        assertThat(corpus.getFirst()).isEqualTo(text(new String(JSON, StandardCharsets.UTF_8)));
    }

    @Test
    void inputsDifferFromTheCorpusAndFromEachOther() {
        Mutator mutator = new Mutator(List.of(JSON), everything(), 3);
        Set<String> seen = new HashSet<>();
        LongStream.range(0, 500).forEach(i -> seen.add(new String(mutator.input(i), StandardCharsets.ISO_8859_1)));
        assertThat(seen.size()).isGreaterThan(400);
    }

    @Test
    void noInputIsLargerThanTheBound() {
        Mutator mutator = new Mutator(List.of(new byte[Mutator.LARGEST - 10], JSON), everything(), 5);
        assertThat(LongStream.range(0, 60).mapToObj(mutator::input)).allMatch(input -> input.length <= Mutator.LARGEST);
    }

    /** Byte mutations alone nearly never get behind a JSON parser. */
    @Test
    void jsonMutationsMostlyLeaveJson() {
        Mutator mutator = new Mutator(List.of(JSON), JsonMutations.all(), 1);
        List<String> inputs = LongStream.range(0, 500)
                .mapToObj(i -> new String(mutator.input(i), StandardCharsets.UTF_8))
                .toList();
        assertThat(inputs.stream().filter(MutatorTest::isJson).count()).isBetween(300L, 495L);
        assertThat(inputs).anyMatch(input -> !input.contains("\"name\""));
        assertThat(inputs).anyMatch(input -> input.contains("1e-400000000"));
        assertThat(inputs).anyMatch(input -> input.contains("NaN"));
        assertThat(inputs).anyMatch(input -> input.contains("[".repeat(20_000)));
        assertThat(inputs).anyMatch(input -> input.indexOf("\"sizes\":") != input.lastIndexOf("\"sizes\":"));
    }

    private static boolean isJson(String input) {
        try {
            return new JsonMapper().readTree(input).isObject();
        } catch (JacksonException e) {
            return false;
        }
    }

    @Test
    void aPartIsChangedInItsFrame() {
        Mutation framed = ((Mutation) (input, other, random) -> text("changed"))
                .within(
                        input -> Arrays.copyOf(input, 3),
                        (input, part) ->
                                text(part.length + ":" + new String(part, StandardCharsets.UTF_8) + (char) input[3]));
        assertThat(new Mutator(List.of(text("abcd")), List.of(framed), 1).input(0))
                .isEqualTo(text("7:changedd"));
    }

    @Test
    void oneFileAtATimeIsChanged(@TempDir Path directory) throws Exception {
        List<Path> files = List.of(directory.resolve("a.json"), directory.resolve("b.txt"));
        Files.writeString(files.get(0), "{}");
        Files.writeString(files.get(1), "");
        FileCorpus corpus = new FileCorpus(files);
        List<Mutation> byName = corpus.mutations(file -> List.of(
                (input, other, random) -> text(file.getFileName() + " " + new String(input, StandardCharsets.UTF_8))));
        Mutator mutator = new Mutator(corpus.inputs(), byName, 1);
        Set<String> seen = new HashSet<>();
        for (int i = 0; i < 100; i++) {
            corpus.reader(read -> seen.add(Files.readString(files.get(0)) + "|" + Files.readString(files.get(1))))
                    .read(mutator.input(i));
        }
        assertThat(seen).contains("a.json {}|", "{}|b.txt ", "{}|b.txt b.txt ");
        assertThat(files.get(0)).hasContent("{}");
        assertThat(files.get(1)).isEmptyFile();
    }

    @Test
    void nothingToDoIsAnError() {
        assertThatThrownBy(() -> new Mutator(List.of(), everything(), 1)).hasMessageContaining("0 inputs");
        assertThatThrownBy(() -> new Mutator(List.of(JSON), List.of(), 1)).hasMessageContaining("0 mutations");
    }
}
