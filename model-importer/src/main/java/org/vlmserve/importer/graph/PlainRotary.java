package org.vlmserve.importer.graph;

import org.vlmserve.onnx.GraphContract;

/** Rotary positions of a text: one channel. */
public final class PlainRotary implements Rotary {

    private final OnnxGraph graph;
    private final Value positions;
    private final RotaryTables tables;

    /** Declares {@code position_ids} i64 [B, S], each below {@code length}. */
    public PlainRotary(OnnxGraph graph, int headDim, double theta, int length) {
        this(graph, RotaryTables.inverseFrequencies(headDim, theta), length);
    }

    /**
     * The same, with frequencies of one's own.
     *
     * @param inverse [headDim / 2], what an angle grows by with each position
     */
    public PlainRotary(OnnxGraph graph, float[] inverse, int length) {
        this.graph = graph;
        positions = graph.input(GraphContract.POSITION_IDS, ElementType.INT64, Axis.of("B"), Axis.of("S"));
        tables = RotaryTables.of(graph, inverse, length);
    }

    @Override
    public Value apply(String name, Value x, int heads) {
        return graph.microsoft(name + "/rotary", "RotaryEmbedding", x, positions, tables.cos(), tables.sin())
                .with("num_heads", heads)
                .output();
    }
}
