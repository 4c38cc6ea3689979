package org.vlmserve.importer.graph;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.onnx.GraphContract;
import org.vlmserve.onnx.OnnxModel;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;

@Tag("processor")
class PrefixAttentionTest {

    private static final int SPAN = 128;

    @TempDir
    Path directory;

    /**
     * Two positions of a picture, two of a prompt, two of an answer. All keys are equal, so that a row spreads its weight evenly over
     * what it sees; value n is a one at column n.
     */
    @Test
    void thePrefixSeesItselfAndTheAnswerWhatIsBeforeIt() throws IOException {
        try (Cached attention = new Cached(1, 1, 8, 1, 0, PrefixAttention.UNBOUNDED)) {
            float[] prefix = attention.run(new float[4 * 8], new float[4 * 8], oneHot(0, 4), 0, 4);
            for (int row = 0; row < 4; row++) {
                assertThat(Arrays.copyOfRange(prefix, row * 8, (row + 1) * 8))
                        .containsExactly(seen(0, 4), within(1e-7f));
            }
            assertThat(attention.run(new float[8], new float[8], oneHot(4, 1), 4, 1))
                    .containsExactly(seen(0, 5), within(1e-7f));
            assertThat(attention.run(new float[8], new float[8], oneHot(5, 1), 5, 1))
                    .containsExactly(seen(0, 6), within(1e-7f));
        }
    }

    /** The prefix sees all of itself whatever the window; a token of the answer sees the last three, itself among them. */
    @Test
    void aWindowSlidesOverTheAnswerOnly() throws IOException {
        try (Cached attention = new Cached(1, 1, 8, 1, 0, 3)) {
            float[] prefix = attention.run(new float[5 * 8], new float[5 * 8], oneHot(0, 5), 0, 5);
            for (int row = 0; row < 5; row++) {
                assertThat(Arrays.copyOfRange(prefix, row * 8, (row + 1) * 8))
                        .containsExactly(seen(0, 5), within(1e-7f));
            }
            assertThat(attention.run(new float[8], new float[8], oneHot(5, 1), 5, 1))
                    .containsExactly(seen(3, 6), within(1e-7f));
        }
    }

    /** Lengths around a block of 256 query rows; heads that share keys; with and without a bound on the scores. */
    @ParameterizedTest
    @CsvSource({"1, 4, 2, 0", "7, 4, 1, 0", "255, 4, 2, 3", "256, 4, 4, 0", "257, 4, 2, 0", "600, 6, 3, 2.5"})
    void isItsDefinition(int length, int heads, int kvHeads, double softcap) throws IOException {
        int width = 8;
        float scale = 0.4f;
        SplittableRandom random = new SplittableRandom(length);
        float[] q = gaussian(random, length * heads * width);
        float[] k = gaussian(random, length * kvHeads * width);
        float[] v = gaussian(random, length * kvHeads * width);
        float[] actual;
        try (Cached attention = new Cached(heads, kvHeads, width, scale, softcap, PrefixAttention.UNBOUNDED)) {
            actual = attention.run(q, k, v, 0, length);
        }
        for (int row : new int[] {0, length / 2, length - 1}) {
            for (int head = 0; head < heads; head++) {
                double[] expected = new double[width];
                double sum = 0;
                for (int key = 0; key < length; key++) {
                    int shared = (key * kvHeads + head / (heads / kvHeads)) * width;
                    double score = 0;
                    for (int d = 0; d < width; d++) {
                        score += (double) q[(row * heads + head) * width + d] * k[shared + d];
                    }
                    score *= scale;
                    double weight = Math.exp(softcap > 0 ? softcap * Math.tanh(score / softcap) : score);
                    sum += weight;
                    for (int d = 0; d < width; d++) {
                        expected[d] += weight * v[shared + d];
                    }
                }
                for (int d = 0; d < width; d++) {
                    assertThat((double) actual[(row * heads + head) * width + d])
                            .isCloseTo(expected[d] / sum, within(2e-5));
                }
            }
        }
    }

    /** 1 / n in the columns [from, to). */
    private static float[] seen(int from, int to) {
        float[] row = new float[8];
        Arrays.fill(row, from, to, 1f / (to - from));
        return row;
    }

    private static float[] oneHot(int first, int count) {
        float[] values = new float[count * 8];
        for (int i = 0; i < count; i++) {
            values[i * 8 + first + i] = 1;
        }
        return values;
    }

    private static float[] gaussian(SplittableRandom random, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    /** One layer of attention with a cache of one slot. The cache goes in and comes out: what is tested is what is seen. */
    private final class Cached implements AutoCloseable {

        private final OnnxModel model;
        private final int kvHeads;
        private final int width;
        private final int heads;
        private Tensor keys;
        private Tensor values;

        Cached(int heads, int kvHeads, int width, double scale, double softcap, int window) throws IOException {
            this.heads = heads;
            this.kvHeads = kvHeads;
            this.width = width;
            Path here = Files.createTempDirectory(directory, "graph");
            OnnxGraph graph = new OnnxGraph("test", new WeightFile("weights.bin"));
            Value q = graph.input("q", ElementType.FLOAT, Axis.of("B"), Axis.of("S"), Axis.of(heads * width));
            Value k = graph.input("k", ElementType.FLOAT, Axis.of("B"), Axis.of("S"), Axis.of(kvHeads * width));
            Value v = graph.input("v", ElementType.FLOAT, Axis.of("B"), Axis.of("S"), Axis.of(kvHeads * width));
            Value y = new PrefixAttention(graph, heads, kvHeads, width, scale, softcap, layer -> window)
                    .apply("attn", 0, q, k, v);
            Value out = graph.node("identity", "Identity", y).outputs("y").getFirst();
            graph.output(out, ElementType.FLOAT, Axis.of("B"), Axis.of("S"), Axis.of(heads * width));
            Files.write(here.resolve("graph.onnx"), graph.serialize());
            model = OnnxModel.load(here.resolve("graph.onnx"), EngineOptions.ofThreads(1));
            int room = 5 * SPAN;
            keys = Tensor.ofFloats(new float[kvHeads * room * width], 1, kvHeads, room, width);
            values = keys;
        }

        float[] run(float[] q, float[] k, float[] v, int past, int count) {
            int total = past + count;
            Map<String, Tensor> inputs = new HashMap<>();
            inputs.put("q", Tensor.ofFloats(q, 1, count, heads * width));
            inputs.put("k", Tensor.ofFloats(k, 1, count, kvHeads * width));
            inputs.put("v", Tensor.ofFloats(v, 1, count, kvHeads * width));
            inputs.put(GraphContract.PAST_LENGTHS, longs(past));
            inputs.put(GraphContract.TOTAL_LENGTHS, longs(total));
            inputs.put(GraphContract.SPAN, longs(Math.ceilDiv(total, SPAN) * SPAN));
            inputs.put(GraphContract.pastKey(0), keys);
            inputs.put(GraphContract.pastValue(0), values);
            Map<String, Tensor> outputs = model.run(inputs);
            keys = Objects.requireNonNull(outputs.get(GraphContract.presentKey(0)));
            values = Objects.requireNonNull(outputs.get(GraphContract.presentValue(0)));
            return Objects.requireNonNull(outputs.get("y")).toFloats();
        }

        private static Tensor longs(long value) {
            ByteBuffer data = ByteBuffer.allocateDirect(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            return new Tensor(DType.I64, new int[] {1}, data.putLong(0, value));
        }

        @Override
        public void close() {
            model.close();
        }
    }
}
