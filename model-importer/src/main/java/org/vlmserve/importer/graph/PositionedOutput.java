package org.vlmserve.importer.graph;

import java.io.IOException;
import java.nio.ByteBuffer;

/** A file that is written in any order, by several threads at once. */
public interface PositionedOutput {

    /** Writes all of {@code data} at {@code offset}. */
    void write(ByteBuffer data, long offset) throws IOException;
}
