package org.vlmserve.importer.checkpoint;

import java.nio.file.Path;

/**
 * A tensor whose elements are no weights by themselves: whole numbers, truth values, floats of 8 bits that want a scale.
 *
 * @param type as the file names it
 */
record UnsupportedTensor(String name, Path file, String type) implements StoredTensor {}
