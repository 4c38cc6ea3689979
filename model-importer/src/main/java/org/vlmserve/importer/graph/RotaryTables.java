package org.vlmserve.importer.graph;

import org.vlmserve.importer.checkpoint.MatrixSource;

/**
 * Cosines and sines of rotary positions, f32 [length, headDim / 2]. Rounded where the reference rounds: the inverse frequency
 * and the angle are floats (transformers 5.18, {@code compute_default_rope_parameters} and {@code forward} of the rotary
 * embedding in the model's modeling file).
 */
record RotaryTables(Value cos, Value sin) {

    /** @param length positions that the tables hold */
    static RotaryTables of(OnnxGraph graph, int headDim, double theta, int length) {
        return of(graph, inverseFrequencies(headDim, theta), length);
    }

    /** @param inverse [headDim / 2], what an angle grows by with each position */
    static RotaryTables of(OnnxGraph graph, float[] inverse, int length) {
        return new RotaryTables(
                graph.weight(
                        "rotary.cos",
                        ElementType.FLOAT,
                        WeightData.plain(table(inverse, length, false)),
                        length,
                        inverse.length),
                graph.weight(
                        "rotary.sin",
                        ElementType.FLOAT,
                        WeightData.plain(table(inverse, length, true)),
                        length,
                        inverse.length));
    }

    static float[] inverseFrequencies(int headDim, double theta) {
        float[] inverse = new float[headDim / 2];
        for (int f = 0; f < inverse.length; f++) {
            inverse[f] = 1 / (float) StrictMath.pow(theta, (float) (2 * f) / headDim);
        }
        return inverse;
    }

    private static MatrixSource table(float[] inverse, int length, boolean sine) {
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
