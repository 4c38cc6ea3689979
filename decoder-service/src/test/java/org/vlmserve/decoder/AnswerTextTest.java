package org.vlmserve.decoder;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.vlmserve.families.prompt.Tokenizer;

class AnswerTextTest {

    /** Decodes token i to piece i. */
    private record Pieces(List<String> pieces, String rest) implements Tokenizer.IncrementalDecoder {
        @Override
        public String next(int tokenId) {
            return pieces.get(tokenId);
        }

        @Override
        public String finish() {
            return rest;
        }
    }

    private record Outcome(String text, boolean stopped, List<String> growth) {}

    private static Outcome run(List<String> pieces, String rest, int unsearched, String... stops) {
        AnswerText text = new AnswerText(new Pieces(pieces, rest), List.of(stops), unsearched);
        List<String> growth = new ArrayList<>();
        for (int i = 0; i < pieces.size() && !text.stopped(); i++) {
            growth.add(text.append(i));
        }
        growth.add(text.finish());
        assertThat(String.join("", growth)).isEqualTo(text.toString());
        return new Outcome(text.toString(), text.stopped(), growth);
    }

    /** Every way to cut a text into pieces. */
    private static List<List<String>> splits(String text) {
        List<List<String>> all = new ArrayList<>();
        for (int cuts = 0; cuts < 1 << (text.length() - 1); cuts++) {
            List<String> pieces = new ArrayList<>();
            int start = 0;
            for (int i = 1; i < text.length(); i++) {
                if ((cuts >> (i - 1) & 1) == 1) {
                    pieces.add(text.substring(start, i));
                    start = i;
                }
            }
            pieces.add(text.substring(start));
            all.add(pieces);
        }
        return all;
    }

    @Test
    void aStopTextIsFoundInEverySplit() {
        for (List<String> pieces : splits("one, STOP two")) {
            Outcome outcome = run(pieces, "", 0, "STOP");
            assertThat(outcome.text()).isEqualTo("one, ");
            assertThat(outcome.stopped()).isTrue();
        }
    }

    @Test
    void overlappingBeginningsInEverySplit() {
        for (List<String> pieces : splits("aabaabaac")) {
            assertThat(run(pieces, "", 0, "aabaac").text()).isEqualTo("aab");
            assertThat(run(pieces, "", 0, "aac", "zz").text()).isEqualTo("aabaab");
            assertThat(run(pieces, "", 0, "aabb").text()).isEqualTo("aabaabaac");
        }
    }

    @Test
    void theStopThatIsCompleteFirstCountsInEverySplit() {
        for (List<String> pieces : splits("xabcdef")) {
            assertThat(run(pieces, "", 0, "abcdef", "cd").text()).isEqualTo("xab");
            assertThat(run(pieces, "", 0, "cd", "bcd").text()).isEqualTo("xa");
        }
    }

    @Test
    void whatMayBecomeAStopIsHeldBackAndNoMore() {
        AnswerText text = new AnswerText(new Pieces(List.of("go S", "TO", "ne", "!"), ""), List.of("STOP"), 0);
        assertThat(text.append(0)).isEqualTo("go ");
        assertThat(text.append(1)).isEmpty();
        assertThat(text.append(2)).isEqualTo("STOne");
        assertThat(text.append(3)).isEqualTo("!");
        assertThat(text.finish()).isEmpty();
    }

    @Test
    void heldTextIsGivenWhenNoMoreTokensCome() {
        Outcome outcome = run(List.of("go ST"), "", 0, "STOP");
        assertThat(outcome.text()).isEqualTo("go ST");
        assertThat(outcome.stopped()).isFalse();
        assertThat(outcome.growth()).containsExactly("go ", "ST");
    }

    @Test
    void theRestOfTheDecoderBelongsToTheText() {
        assertThat(run(List.of("a"), "\uFFFD", 0).text()).isEqualTo("a\uFFFD");
        assertThat(run(List.of("a S"), "TOP", 0, "STOP").text()).isEqualTo("a ");
    }

    @Test
    void theFirstTokensAreNotSearched() {
        Outcome outcome = run(List.of("a", "b", "a", "b", "c"), "", 2, "ab");
        assertThat(outcome.text()).isEqualTo("ab");
        assertThat(outcome.stopped()).isTrue();
        assertThat(run(List.of("a", "b", "c"), "", 2, "ab").text()).isEqualTo("abc");
    }

    @Test
    void charactersOutsideTheBasicPlaneStayWhole() {
        Outcome outcome = run(List.of("x😀", "y"), "", 0, "😁");
        assertThat(outcome.growth()).containsExactly("x😀", "y", "");
    }
}
