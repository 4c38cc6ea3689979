package org.vlmserve.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A decoder whose prefix sees all of itself. Keys of the second layer show what a position saw in the first. */
@Tag("processor")
class PrefixDecoderTest {

    private static final DecoderShape SHAPE = TestGraphs.DECODER;
    private static final int CAPACITY = 60;

    @TempDir
    Path directory;

    private CausalDecoder decoder = unset();

    @BeforeEach
    void load() throws IOException {
        Path graph = TestGraphs.write(directory, TestGraphs.prefixDecoder());
        decoder = CausalDecoder.load(graph, SHAPE, 4, CAPACITY, EngineOptions.ofThreads(1));
    }

    @AfterEach
    void close() {
        decoder.close();
    }

    /** Two positions of a picture, two of a prompt, two of an answer. */
    @Test
    void aPrefixSeesAllOfItselfAndAnAnswerWhatIsBeforeIt() {
        float[] prefix = embeds(1, 4);
        float[] other = prefix.clone();
        other[3 * SHAPE.hidden()] += 1;
        prefill(0, prefix, 4);
        prefill(1, other, 4);
        for (int row = 0; row < 4; row++) {
            assertThat(key(0, row)).as("row %d sees row 3", row).isNotEqualTo(key(1, row));
        }
        float[] before = decoder.snapshot(1, false, 0);
        float[] fifth = embeds(2, 1);
        decode(0, fifth, 4);
        assertThat(Arrays.copyOf(keys(decoder.snapshot(1, false, 0)), 4)).isDeepEqualTo(Arrays.copyOf(keys(before), 4));
        decoder.copySlot(0, 2, 5);
        float[] sixth = embeds(3, 1);
        float[] after = decode(0, sixth, 5);
        float[] fifthAgain = fifth.clone();
        fifthAgain[0] += 1;
        decode(2, fifthAgain, 4);
        assertThat(key(2, 4)).as("row 4 sees itself").isNotEqualTo(key(0, 4));
        assertThat(decode(2, sixth, 5)).as("row 5 sees row 4").isNotEqualTo(after);
        assertThat(Arrays.copyOf(keys(decoder.snapshot(1, false, 2)), 4)).isDeepEqualTo(Arrays.copyOf(keys(before), 4));
    }

    @Test
    void onlyTheNewRowsAreWritten() {
        prefill(1, embeds(4, 7), 7);
        float[] before = decoder.snapshot(0, true, 1);
        decode(1, embeds(5, 1), 7);
        float[] after = decoder.snapshot(0, true, 1);
        int changed = 0;
        for (int e = 0; e < before.length; e++) {
            if (before[e] != after[e]) {
                assertThat(e / SHAPE.headDim() % decoder.room()).isEqualTo(7);
                changed++;
            }
        }
        assertThat(changed).isEqualTo(SHAPE.kvHeads() * SHAPE.headDim());
    }

    @Test
    void whatASlotHeldBeforeHasNoWeight() {
        float[] embeds = embeds(6, 9);
        float[] fresh = prefill(0, embeds, 9);
        prefill(1, embeds(7, CAPACITY), CAPACITY);
        assertThat(prefill(1, embeds, 9)).containsExactly(fresh);
    }

    @Test
    void aRowIsTheSameAloneAndInABatch() {
        int[] lengths = {3, 51, 17};
        for (int slot = 0; slot < 3; slot++) {
            prefill(slot, embeds(10 + slot, lengths[slot]), lengths[slot]);
        }
        float[] next = embeds(20, 3);
        float[][] together = new float[3][SHAPE.vocabulary()];
        decoder.decode(0, 3, next, positions(3, 51, 17), new int[] {4, 52, 18}, together);
        for (int slot = 0; slot < 3; slot++) {
            float[] one = Arrays.copyOfRange(next, slot * SHAPE.hidden(), (slot + 1) * SHAPE.hidden());
            assertClose(decode(slot, one, lengths[slot]), together[slot]);
        }
    }

    @Test
    void aCopiedSlotGoesOnLikeTheOriginal() {
        prefill(0, embeds(30, 9), 9);
        decoder.copySlot(0, 3, 9);
        float[] next = embeds(32, 1);
        assertThat(decode(3, next, 9)).containsExactly(decode(0, next, 9));
    }

    @Test
    void aPrefixComesInOnePiece() {
        prefill(0, embeds(40, 5), 5);
        assertThatThrownBy(() -> decoder.prefill(0, 5, embeds(41, 2), 2, positions(5, 6), true))
                .hasMessageContaining("all of the prompt at once");
        assertThat(decoder.prefill(0, 5, embeds(41, 1), 1, positions(5), true)).isNotNull();
    }

    @Test
    void theCapacityIsTheCallersWhateverRoomThereIs() {
        assertThat(decoder.capacity()).isEqualTo(CAPACITY);
        assertThat(decoder.room()).isEqualTo(128);
        assertThatThrownBy(() -> prefill(0, embeds(1, CAPACITY + 1), CAPACITY + 1))
                .hasMessageContaining("no more than 60");
    }

    private float[] prefill(int slot, float[] embeds, int count) {
        long[] positions = new long[count];
        Arrays.setAll(positions, i -> i);
        return Objects.requireNonNull(decoder.prefill(slot, 0, embeds, count, positions(positions), true));
    }

    private float[] decode(int slot, float[] embeds, int past) {
        float[][] logits = new float[1][SHAPE.vocabulary()];
        decoder.decode(slot, 1, embeds, positions(past), new int[] {past + 1}, logits);
        return logits[0];
    }

    /** The second layer's key of a position, first head. */
    private float[] key(int slot, int row) {
        return keys(decoder.snapshot(1, false, slot))[row];
    }

    private static float[][] keys(float[] snapshot) {
        float[][] rows = new float[CAPACITY][];
        Arrays.setAll(rows, row -> Arrays.copyOfRange(snapshot, row * SHAPE.headDim(), (row + 1) * SHAPE.headDim()));
        return rows;
    }

    private static long[][] positions(long... each) {
        return new long[][] {each.clone(), each.clone(), each.clone()};
    }

    private static float[] embeds(long seed, int count) {
        return TestGraphs.random(new SplittableRandom(seed), count * SHAPE.hidden());
    }

    private static void assertClose(float[] actual, float[] expected) {
        assertThat(actual).hasSameSizeAs(expected);
        for (int i = 0; i < actual.length; i++) {
            assertThat(actual[i]).as("element %d", i).isCloseTo(expected[i], within(1e-5f));
        }
    }

    @SuppressWarnings("NullAway") // set before each test
    private static CausalDecoder unset() {
        return null;
    }
}
