package org.vlmserve.importer.graph;

import org.jspecify.annotations.Nullable;

/**
 * One dimension of a graph's input or output.
 *
 * @param symbol name of a dimension that is known at run time only, or null
 * @param size its size where {@code symbol} is null
 */
public record Axis(@Nullable String symbol, long size) {

    public static Axis of(String symbol) {
        return new Axis(symbol, 0);
    }

    public static Axis of(long size) {
        return new Axis(null, size);
    }
}
