package org.vlmserve.importer.graph;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.StringStringEntryProto;
import com.google.protobuf.InvalidProtocolBufferException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vlmserve.importer.checkpoint.ArrayMatrix;
import org.vlmserve.importer.checkpoint.MatrixSource;

/** Outlier channels that change nothing in float: one side is multiplied, the other divided. */
class OutlierRuleTest {

    private static final int HIDDEN = 256;
    private static final int MLP = 512;
    private static final int HEADS = 4;
    private static final int KV_HEADS = 2;
    private static final int HEAD_DIM = HIDDEN / HEADS;
    private static final int CHANNEL = 5;

    private final SplittableRandom random = new SplittableRandom(8);
    private final Map<String, float[]> tensors = new HashMap<>();

    OutlierRuleTest() {
        tensors.put("input_norm", filled(HIDDEN, 1));
        tensors.put("mlp_norm", filled(HIDDEN, 1));
        tensors.put("q", gaussian(HIDDEN * HIDDEN));
        tensors.put("k", gaussian(KV_HEADS * HEAD_DIM * HIDDEN));
        tensors.put("v", gaussian(KV_HEADS * HEAD_DIM * HIDDEN));
        tensors.put("v.bias", gaussian(KV_HEADS * HEAD_DIM));
        tensors.put("o", gaussian(HIDDEN * HIDDEN));
        tensors.put("gate", gaussian(MLP * HIDDEN));
        tensors.put("up", gaussian(MLP * HIDDEN));
        tensors.put("down", gaussian(HIDDEN * MLP));
    }

    @Test
    void evenLayersStayRowwise() throws InvalidProtocolBufferException {
        assertThat(finerLayers()).isEmpty();
    }

    @Test
    void anOutlierOfANormIsFoundInAllThatReadIt() throws InvalidProtocolBufferException {
        scaleRow("input_norm", 1, CHANNEL, 64);
        List.of("q", "k", "v").forEach(reader -> scaleColumn(reader, HIDDEN, CHANNEL, 1 / 64f));
        assertThat(finerLayers()).containsExactly("attn.k", "attn.q", "attn.v");
    }

    @Test
    void anOutlierOfTheUpProjectionIsFoundInTheDownProjection() throws InvalidProtocolBufferException {
        scaleRow("up", HIDDEN, CHANNEL, 64);
        scaleColumn("down", MLP, CHANNEL, 1 / 64f);
        assertThat(finerLayers()).containsExactly("mlp.down");
    }

    /** Channel 5 of the second value head is read by the third and the fourth head. */
    @Test
    void anOutlierOfAValueHeadIsFoundInTheOutputProjection() throws InvalidProtocolBufferException {
        scaleRow("v", HIDDEN, HEAD_DIM + CHANNEL, 64);
        scaleRow("v.bias", 1, HEAD_DIM + CHANNEL, 64);
        scaleColumn("o", HIDDEN, 2 * HEAD_DIM + CHANNEL, 1 / 64f);
        scaleColumn("o", HIDDEN, 3 * HEAD_DIM + CHANNEL, 1 / 64f);
        assertThat(finerLayers()).containsExactly("attn.o");
    }

    /** A large channel that the layer reads as it reads the others is most of its output, and rounding keeps it. */
    @Test
    void aLargeChannelThatSaysMoreThanTheOthersIsNoOutlier() throws InvalidProtocolBufferException {
        scaleRow("mlp_norm", 1, CHANNEL, 64);
        assertThat(finerLayers()).isEmpty();
    }

    /** The expectation against the errors of the definition, worked out in double on normal activations. */
    @ParameterizedTest
    @CsvSource({"1", "8", "32", "128"})
    void theExpectedErrorIsTheMeasuredOne(float factor) {
        int k = 1024;
        int n = 64;
        float[] sizes = filled(k, 1);
        sizes[CHANNEL] = factor;
        float[] w = gaussian(n * k);
        for (int row = 0; row < n; row++) {
            w[row * k + CHANNEL] /= factor;
        }
        Magnitudes magnitudes = new Magnitudes();
        Value x = new Value("x");
        magnitudes.vector(x, new ArrayMatrix(k, 1, sizes));
        double error = 0;
        double size = 0;
        for (int token = 0; token < 400; token++) {
            float[] values = gaussian(k);
            float largest = 0;
            for (int i = 0; i < k; i++) {
                values[i] *= sizes[i];
                largest = Math.max(largest, Math.abs(values[i]));
            }
            for (int row = 0; row < n; row++) {
                double exact = 0;
                double rounded = 0;
                for (int i = 0; i < k; i++) {
                    exact += (double) values[i] * w[row * k + i];
                    rounded += Math.rint(values[i] / largest * 127) * largest / 127 * w[row * k + i];
                }
                error += Math.pow(rounded - exact, 2);
                size += exact * exact;
            }
        }
        double measured = Math.sqrt(error / size);
        assertThat(magnitudes.rowwiseError(x, new ArrayMatrix(n, k, w))).isCloseTo(measured, within(0.25 * measured));
    }

    @Test
    void whatIsNotKnownIsNotJudged() {
        assertThat(new Magnitudes().rowwiseError(new Value("x"), new ArrayMatrix(1, 1, 1)))
                .isNaN();
        assertThat(PrecisionPolicy.forOutliers(WeightFormat.ROWWISE_INT8, Double.NaN))
                .isEqualTo(WeightFormat.ROWWISE_INT8);
        assertThat(PrecisionPolicy.forOutliers(WeightFormat.BLOCK_INT4, 1)).isEqualTo(WeightFormat.BLOCK_INT4);
    }

    /** Names of the layers of a decoder block that the rule does not leave row-wise. */
    private TreeSet<String> finerLayers() throws InvalidProtocolBufferException {
        OnnxGraph graph = new OnnxGraph("test", new WeightFile("weights.bin"));
        Linear linear = new Linear(graph);
        RmsNorm norm = new RmsNorm(graph, linear, 1e-6);
        WeightFormat format = WeightFormat.ROWWISE_INT8;
        Value residual = graph.input("x", ElementType.FLOAT, Axis.of("B"), Axis.of("S"), Axis.of(HIDDEN));
        Value x = norm.apply("input_norm", residual, tensor("input_norm", HIDDEN, 1));
        Value q = linear.apply("attn.q", x, tensor("q", HIDDEN, HIDDEN), format);
        Value k = linear.apply("attn.k", x, tensor("k", KV_HEADS * HEAD_DIM, HIDDEN), format);
        Value v = linear.apply(
                "attn.v",
                x,
                tensor("v", KV_HEADS * HEAD_DIM, HIDDEN),
                tensor("v.bias", KV_HEADS * HEAD_DIM, 1),
                format);
        Value attended = new CachedAttention(graph, HEADS, KV_HEADS, HEAD_DIM).apply("attn", 0, q, k, v);
        Value o = linear.apply("attn.o", attended, tensor("o", HIDDEN, HIDDEN), format);
        Value normalized = norm.applyAfter("mlp_norm", residual, o, tensor("mlp_norm", HIDDEN, 1))
                .values();
        new GatedMlp(graph, linear, Activation.SILU)
                .apply(
                        "mlp",
                        normalized,
                        tensor("gate", MLP, HIDDEN),
                        tensor("up", MLP, HIDDEN),
                        tensor("down", HIDDEN, MLP),
                        format);
        TreeSet<String> finer = new TreeSet<>();
        for (StringStringEntryProto property :
                ModelProto.parseFrom(graph.serialize()).getMetadataPropsList()) {
            if (property.getKey().startsWith("format.") && property.getValue().equals("BLOCK_INT8")) {
                finer.add(property.getKey().substring("format.".length()));
            }
        }
        return finer;
    }

    private void scaleRow(String name, int columns, int row, float factor) {
        float[] values = Objects.requireNonNull(tensors.get(name));
        for (int i = row * columns; i < (row + 1) * columns; i++) {
            values[i] *= factor;
        }
    }

    private void scaleColumn(String name, int columns, int column, float factor) {
        float[] values = Objects.requireNonNull(tensors.get(name));
        for (int i = column; i < values.length; i += columns) {
            values[i] *= factor;
        }
    }

    private MatrixSource tensor(String name, int rows, int columns) {
        return new ArrayMatrix(rows, columns, Objects.requireNonNull(tensors.get(name)));
    }

    private static float[] filled(int count, float value) {
        float[] values = new float[count];
        Arrays.fill(values, value);
        return values;
    }

    private float[] gaussian(int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) (random.nextGaussian() * 0.05);
        }
        return values;
    }
}
