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
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

@Tag("processor")
class CausalDecoderTest {

    private static final DecoderShape SHAPE = TestGraphs.DECODER;
    private static final int CAPACITY = 24;
    private static final EngineOptions OPTIONS = EngineOptions.ofThreads(1);

    @TempDir
    Path directory;

    private Path graph = Path.of("");
    private CausalDecoder decoder = unset();

    @BeforeEach
    void load() throws IOException {
        graph = TestGraphs.write(directory, TestGraphs.decoder());
        decoder = CausalDecoder.load(graph, SHAPE, 4, CAPACITY, OPTIONS);
    }

    @AfterEach
    void close() {
        decoder.close();
    }

    @Test
    void aDecodeStepChangesOnlyItsOwnRows() {
        prefill(1, 0, embeds(1, 5), 5);
        prefill(2, 0, embeds(2, 9), 9);
        float[][] before = snapshots();
        float[][] logits = new float[2][SHAPE.vocabulary()];
        decoder.decode(1, 2, embeds(3, 2), positions(new long[] {5, 9}), new int[] {6, 10}, logits);
        float[][] after = snapshots();
        int changed = 0;
        for (int i = 0; i < before.length; i++) {
            int slot = i % decoder.slots();
            for (int e = 0; e < before[i].length; e++) {
                if (before[i][e] != after[i][e]) {
                    int position = e / SHAPE.headDim() % CAPACITY;
                    assertThat(position).isEqualTo(slot == 1 ? 5 : 9);
                    assertThat(slot).isIn(1, 2);
                    changed++;
                }
            }
        }
        assertThat(changed).isEqualTo(2 * SHAPE.layers() * 2 * SHAPE.kvHeads() * SHAPE.headDim());
    }

    @Test
    void chunksGiveWhatOnePrefillGives() {
        float[] embeds = embeds(4, 17);
        float[] whole = prefill(0, 0, embeds, 17);
        float[] last = new float[0];
        for (int from : new int[] {0, 7, 8, 12}) {
            int to = from == 0 ? 7 : from == 7 ? 8 : from == 8 ? 12 : 17;
            float[] part = Arrays.copyOfRange(embeds, from * SHAPE.hidden(), to * SHAPE.hidden());
            last = prefill(3, from, part, to - from);
        }
        assertClose(last, whole, 1e-5);
        assertClose(decoder.snapshot(1, true, 3), decoder.snapshot(1, true, 0), 1e-5);
    }

    @Test
    void decodingGivesWhatPrefillGives() {
        float[] embeds = embeds(5, 12);
        float[] whole = prefill(0, 0, embeds, 12);
        prefill(1, 0, embeds, 8);
        float[][] logits = new float[1][SHAPE.vocabulary()];
        for (int i = 8; i < 12; i++) {
            float[] one = Arrays.copyOfRange(embeds, i * SHAPE.hidden(), (i + 1) * SHAPE.hidden());
            decoder.decode(1, 1, one, positions(new long[] {i}), new int[] {i + 1}, logits);
        }
        assertClose(logits[0], whole, 1e-5);
    }

    @Test
    void aRowOfABatchIsWhatItIsAlone() {
        int[] lengths = {3, 11, 6};
        for (int slot = 0; slot < 3; slot++) {
            prefill(slot, 0, embeds(10 + slot, lengths[slot]), lengths[slot]);
        }
        float[] next = embeds(20, 3);
        float[][] together = new float[3][SHAPE.vocabulary()];
        decoder.decode(0, 3, next, positions(new long[] {3, 11, 6}), new int[] {4, 12, 7}, together);
        for (int slot = 0; slot < 3; slot++) {
            float[] one = Arrays.copyOfRange(next, slot * SHAPE.hidden(), (slot + 1) * SHAPE.hidden());
            float[][] alone = new float[1][SHAPE.vocabulary()];
            decoder.decode(slot, 1, one, positions(new long[] {lengths[slot]}), new int[] {lengths[slot] + 1}, alone);
            assertClose(alone[0], together[slot], 1e-5);
        }
    }

    @Test
    void aCopiedSlotGoesOnLikeTheOriginal() {
        prefill(0, 0, embeds(30, 9), 9);
        prefill(3, 0, embeds(31, 14), 14);
        decoder.copySlot(0, 3, 9);
        float[] next = embeds(32, 1);
        float[][] original = new float[1][SHAPE.vocabulary()];
        float[][] copy = new float[1][SHAPE.vocabulary()];
        decoder.decode(0, 1, next, positions(new long[] {9}), new int[] {10}, original);
        decoder.decode(3, 1, next, positions(new long[] {9}), new int[] {10}, copy);
        assertThat(copy[0]).containsExactly(original[0]);
    }

    @Test
    void aCopyLeavesWhatLiesBehindItsLength() {
        prefill(1, 0, embeds(33, 6), 6);
        prefill(2, 0, embeds(34, 8), 8);
        float[] before = decoder.snapshot(0, false, 2);
        decoder.copySlot(1, 2, 4);
        float[] after = decoder.snapshot(0, false, 2);
        float[] source = decoder.snapshot(0, false, 1);
        for (int e = 0; e < after.length; e++) {
            int position = e / SHAPE.headDim() % CAPACITY;
            assertThat(after[e]).isEqualTo(position < 4 ? source[e] : before[e]);
        }
    }

    @Test
    void everyChannelOfThePositionsCounts() {
        float[] embeds = embeds(40, 6);
        float[] plain = prefill(0, 0, embeds, 6);
        for (int channel = 0; channel < 3; channel++) {
            long[][] positions = positions(new long[] {0, 1, 2, 3, 4, 5});
            positions[channel] = new long[] {0, 1, 2, 3, 4, 9};
            float[] moved = Objects.requireNonNull(decoder.prefill(1, 0, embeds, 6, positions, true));
            assertThat(moved).isNotEqualTo(plain);
        }
    }

    @Test
    void aChunkWithoutLogitsFillsTheCacheAllTheSame() {
        float[] embeds = embeds(41, 6);
        prefill(0, 0, embeds, 6);
        assertThat(decoder.prefill(1, 0, embeds, 6, positions(new long[] {0, 1, 2, 3, 4, 5}), false))
                .isNull();
        assertThat(decoder.snapshot(1, false, 1)).containsExactly(decoder.snapshot(1, false, 0));
    }

    @Test
    void refusesWhatDoesNotFit() {
        assertThatThrownBy(() -> prefill(0, 20, embeds(1, 5), 5)).hasMessageContaining("no more than 24");
        assertThatThrownBy(() -> prefill(4, 0, embeds(1, 5), 5)).hasMessageContaining("[0, 4)");
        assertThatThrownBy(() -> decoder.decode(
                        0, 1, embeds(1, 1), positions(new long[] {24}), new int[] {25}, new float[1][40]))
                .hasMessageContaining("expected 1 to 24");
        assertThatThrownBy(
                        () -> decoder.decode(0, 1, embeds(1, 1), new long[][] {{1}}, new int[] {2}, new float[1][40]))
                .hasMessageContaining("expected 3");
        assertThatThrownBy(() -> decoder.copySlot(0, 1, 25)).hasMessageContaining("expected 0 to 24");
    }

    @Test
    void refusesACacheTensorOfMoreThanTwoGigabytes() {
        assertThatThrownBy(() -> CausalDecoder.load(graph, SHAPE, 2, 10_000_000, OPTIONS))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.INVALID_REQUEST))
                .hasMessageContaining("2560000000 bytes")
                .hasMessageContaining("1 slots of this capacity fit");
    }

    private float[] prefill(int slot, int past, float[] embeds, int count) {
        long[] positions = new long[count];
        Arrays.setAll(positions, i -> past + i);
        return Objects.requireNonNull(decoder.prefill(slot, past, embeds, count, positions(positions), true));
    }

    private float[][] snapshots() {
        float[][] all = new float[SHAPE.layers() * 2 * decoder.slots()][];
        for (int i = 0; i < all.length; i++) {
            int tensor = i / decoder.slots();
            all[i] = decoder.snapshot(tensor / 2, tensor % 2 == 1, i % decoder.slots());
        }
        return all;
    }

    private static long[][] positions(long[] each) {
        return new long[][] {each.clone(), each.clone(), each.clone()};
    }

    private static float[] embeds(long seed, int count) {
        return TestGraphs.random(new SplittableRandom(seed), count * SHAPE.hidden());
    }

    private static void assertClose(float[] actual, float[] expected, double tolerance) {
        assertThat(actual).hasSameSizeAs(expected);
        for (int i = 0; i < actual.length; i++) {
            assertThat((double) actual[i]).as("element %d", i).isCloseTo(expected[i], within(tolerance));
        }
    }

    @SuppressWarnings("NullAway") // set before each test
    private static CausalDecoder unset() {
        return null;
    }
}
