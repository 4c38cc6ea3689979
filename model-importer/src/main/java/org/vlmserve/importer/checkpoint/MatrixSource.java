package org.vlmserve.importer.checkpoint;

/** A matrix that is read piece by piece and never held whole. Thread-safe. */
public interface MatrixSource {

    int rows();

    int columns();

    /** Writes row {@code row}'s columns {@code [firstColumn, firstColumn + count)} to {@code out} from {@code offset}. */
    void read(int row, int firstColumn, int count, float[] out, int offset);

    /** max|w| of row {@code row}; 0 for one without columns. */
    default float largest(int row) {
        float[] values = new float[columns()];
        read(row, 0, values.length, values, 0);
        float largest = 0;
        for (float value : values) {
            largest = Math.max(largest, Math.abs(value));
        }
        return largest;
    }

    /** The same with a number added to each element, in float. */
    static MatrixSource plus(MatrixSource source, float addend) {
        return new MatrixSource() {
            @Override
            public int rows() {
                return source.rows();
            }

            @Override
            public int columns() {
                return source.columns();
            }

            @Override
            public void read(int row, int firstColumn, int count, float[] out, int offset) {
                source.read(row, firstColumn, count, out, offset);
                for (int i = offset; i < offset + count; i++) {
                    out[i] += addend;
                }
            }
        };
    }

    /** All elements of a small matrix, row-major. */
    default float[] readAll() {
        float[] out = new float[Math.multiplyExact(rows(), columns())];
        for (int row = 0; row < rows(); row++) {
            read(row, 0, columns(), out, row * columns());
        }
        return out;
    }
}
