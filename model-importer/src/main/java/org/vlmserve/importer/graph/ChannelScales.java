package org.vlmserve.importer.graph;

import java.util.stream.IntStream;
import org.vlmserve.importer.checkpoint.MatrixSource;

/**
 * Symmetric scales of a weight [out, in], one an output channel: max|w| / 127, so that the largest weight becomes ±127. A channel of
 * zeros has scale 1. Found at first use and kept; thread-safe.
 */
public final class ChannelScales {

    private static final float LARGEST = 127;

    private final MatrixSource source;
    private volatile float[] scales = {};

    public ChannelScales(MatrixSource source) {
        this.source = source;
    }

    public int count() {
        return source.rows();
    }

    /** Input channels. */
    public int inputs() {
        return source.columns();
    }

    /** max|w| of output channel {@code row}. */
    float largest(int row) {
        return of(row) == 1 ? source.largest(row) : of(row) * LARGEST;
    }

    /** The scale of output channel {@code row}. */
    public float of(int row) {
        float[] known = scales;
        return known.length > 0 ? known[row] : find()[row];
    }

    private synchronized float[] find() {
        if (scales.length == 0) {
            float[] found = new float[source.rows()];
            IntStream.range(0, found.length).parallel().forEach(i -> {
                float largest = source.largest(i);
                found[i] = largest == 0 ? 1 : largest / LARGEST;
            });
            scales = found;
        }
        return scales;
    }
}
