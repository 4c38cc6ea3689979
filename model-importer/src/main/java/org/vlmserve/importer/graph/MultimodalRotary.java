package org.vlmserve.importer.graph;

import java.util.List;
import org.vlmserve.importer.checkpoint.MatrixSource;

/**
 * Rotary positions with a channel each for time, height and width (M-RoPE, arXiv:2409.12191, section 2.1). Frequency f of a head
 * turns by the position of the channel that its section belongs to; with three equal channels this is plain RoPE.
 */
public final class MultimodalRotary {

    private final OnnxGraph graph;
    private final Value positions;
    private final Value cos;
    private final Value sin;
    private final List<Integer> section;

    /**
     * @param positions i64 [3, B, S], each below {@code length}
     * @param section pairs of dimensions of time, height and width; their sum is headDim / 2
     * @param length rows of the tables of cosines and sines, f32 [length, headDim / 2]
     */
    public MultimodalRotary(
            OnnxGraph graph, Value positions, List<Integer> section, int headDim, double theta, int length) {
        this.graph = graph;
        this.positions = positions;
        this.section = section;
        int half = headDim / 2;
        this.cos = graph.weight(
                "rotary.cos", ElementType.FLOAT, WeightData.plain(table(headDim, theta, length, false)), length, half);
        this.sin = graph.weight(
                "rotary.sin", ElementType.FLOAT, WeightData.plain(table(headDim, theta, length, true)), length, half);
    }

    /** x [B, S, heads · headDim] → the same, turned. */
    public Value apply(String name, Value x, int heads) {
        return graph.microsoft(name + "/rotary", "MRotaryEmbedding", x, positions, cos, sin)
                .with("num_heads", heads)
                .with("mrope_section", section)
                .with("mrope_layout", 0)
                .output();
    }

    /**
     * Rounded where the reference rounds: the inverse frequency and the angle are floats (transformers 5.18,
     * {@code compute_default_rope_parameters} and {@code forward} of the rotary embedding in the family's modeling file).
     */
    private static MatrixSource table(int headDim, double theta, int length, boolean sine) {
        float[] inverse = new float[headDim / 2];
        for (int f = 0; f < inverse.length; f++) {
            inverse[f] = 1 / (float) StrictMath.pow(theta, (float) (2 * f) / headDim);
        }
        return new MatrixSource() {
            @Override
            public int rows() {
                return length;
            }

            @Override
            public int columns() {
                return inverse.length;
            }

            @Override
            public void read(int row, int firstColumn, int count, float[] out, int offset) {
                for (int i = 0; i < count; i++) {
                    float angle = row * inverse[firstColumn + i];
                    // StrictMath: the same table, and so the same revision, on every machine.
                    out[offset + i] = (float) (sine ? StrictMath.sin(angle) : StrictMath.cos(angle));
                }
            }
        };
    }
}
