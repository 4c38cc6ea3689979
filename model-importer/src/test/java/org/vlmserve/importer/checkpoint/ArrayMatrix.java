package org.vlmserve.importer.checkpoint;

/** A matrix that a test writes down. @param values [rows, columns], row-major */
@SuppressWarnings("ArrayRecordComponent") // compared by nobody
public record ArrayMatrix(int rows, int columns, float... values) implements MatrixSource {

    @Override
    public void read(int row, int firstColumn, int count, float[] out, int offset) {
        System.arraycopy(values, row * columns + firstColumn, out, offset, count);
    }
}
