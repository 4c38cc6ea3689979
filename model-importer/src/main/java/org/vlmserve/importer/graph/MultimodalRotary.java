package org.vlmserve.importer.graph;

import java.util.List;
import org.vlmserve.onnx.GraphContract;

/**
 * Rotary positions with a channel each for time, height and width (M-RoPE, arXiv:2409.12191, section 2.1). Frequency f of a head
 * turns by the position of the channel that its section belongs to; with three equal channels this is plain RoPE.
 */
public final class MultimodalRotary implements Rotary {

    private final OnnxGraph graph;
    private final Value positions;
    private final RotaryTables tables;
    private final List<Integer> section;

    /**
     * Declares {@code position_ids} i64 [3, B, S], each below {@code length}.
     *
     * @param section pairs of dimensions of time, height and width; their sum is headDim / 2
     */
    public MultimodalRotary(OnnxGraph graph, List<Integer> section, int headDim, double theta, int length) {
        this.graph = graph;
        this.section = section;
        positions = graph.input(GraphContract.POSITION_IDS, ElementType.INT64, Axis.of(3), Axis.of("B"), Axis.of("S"));
        tables = RotaryTables.of(graph, headDim, theta, length);
    }

    @Override
    public Value apply(String name, Value x, int heads) {
        return graph.microsoft(name + "/rotary", "MRotaryEmbedding", x, positions, tables.cos(), tables.sin())
                .with("num_heads", heads)
                .with("mrope_section", section)
                .with("mrope_layout", 0)
                .output();
    }
}
