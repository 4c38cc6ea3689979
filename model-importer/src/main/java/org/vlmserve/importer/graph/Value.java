package org.vlmserve.importer.graph;

/** A tensor inside a graph: an input, an initializer or a node's output, by its name. */
public record Value(String name) {

    /** An optional input that is left out. */
    public static final Value NONE = new Value("");
}
