package org.vlmserve.importer.graph;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.vlmserve.importer.checkpoint.MatrixSource;

/**
 * How large each channel of a value is, as far as weights alone tell: its mean square over tokens. A norm gives its own weights'
 * squares, whatever comes in; a linear layer's output channel is as large as its row of weights; what lies between is followed
 * operator by operator. Weights are read when a magnitude is asked for, never before.
 *
 * <p>This sees an outlier channel that the weights make, and is blind to one that only the residual stream holds.
 */
final class Magnitudes {

    /** Rows of a weight that its columns are judged by: their squares are then known to a tenth. */
    private static final int SAMPLE = 256;

    private static final int PART = 32;

    private static final double ALONE = Math.exp(-0.5);

    /** Mean squares [channels] by value. */
    private final Map<Value, Supplier<double[]>> known = new HashMap<>();

    /** A vector of the checkpoint: a norm's weight or a bias. */
    void vector(Value value, MatrixSource vector) {
        know(value, () -> squares(vector.readAll()));
    }

    /** y = x · Wᵀ, with the scales of W's rows. */
    void linear(Value y, Value x, ChannelScales scales) {
        Supplier<double[]> input = known.get(x);
        if (input != null) {
            know(y, () -> {
                // Of K normal weights the largest is about √(2 ln 2K) deviations away.
                double total =
                        Arrays.stream(repeated(input.get(), scales.inputs())).sum();
                double deviations = 2 * Math.log(2.0 * scales.inputs());
                double[] squares = new double[scales.count()];
                for (int row = 0; row < squares.length; row++) {
                    double largest = scales.largest(row);
                    squares[row] = largest * largest / deviations * total;
                }
                return squares;
            });
        }
    }

    /** Channels {@code [from, from + count)} of {@code whole}. */
    void part(Value value, Value whole, int from, int count) {
        Supplier<double[]> source = known.get(whole);
        if (source != null) {
            know(value, () -> Arrays.copyOfRange(source.get(), from, from + count));
        }
    }

    /** Attention mixes tokens and keeps channels; heads that share a value head see the same ones. */
    void attention(Value attended, Value value, int heads, int valueHeads) {
        Supplier<double[]> source = known.get(value);
        if (source != null) {
            know(attended, () -> {
                double[] shared = source.get();
                int width = shared.length / valueHeads;
                double[] squares = new double[heads * width];
                for (int head = 0; head < heads; head++) {
                    System.arraycopy(shared, head * valueHeads / heads * width, squares, head * width, width);
                }
                return squares;
            });
        }
    }

    /** Follows a node of one of the operators that stand between linear layers; the output of any other stays unknown. */
    void follow(String operator, List<Value> inputs, Value output) {
        switch (operator) {
            case "SimplifiedLayerNormalization" -> same(output, inputs.get(1));
            case "SkipSimplifiedLayerNormalization" -> same(output, inputs.get(2));
            case "LayerNormalization" -> sum(output, inputs.get(1), inputs.get(2));
            case "SkipLayerNormalization" -> sum(output, inputs.get(2), inputs.get(3));
            case "Add" -> sum(output, inputs.get(0), inputs.get(1));
            case "Mul" -> product(output, inputs.get(0), inputs.get(1));
            case "QuickGelu", "Gelu", "FastGelu" -> same(output, inputs.get(0));
            case "BiasGelu" -> sum(output, inputs.get(0), inputs.get(1));
            case "Identity", "Reshape", "Gather", "Squeeze", "Unsqueeze" -> same(output, inputs.get(0));
            default -> {}
        }
    }

    /**
     * The relative error that x · Wᵀ is expected to have when each row of x is rounded to 8 bits by its largest magnitude m: the
     * rounding noise of each channel is (m / 127)² / 12, and W carries noise and signal on alike,
     *
     * <pre>
     * error² = (m / 127)² / 12 · Σ_k |W_k|² / Σ_k x_k² |W_k|²      with W_k column k of W
     * </pre>
     *
     * An even x gives less than 0.01. A channel that is larger than the others and whose column is smaller, so that it says no
     * more than they do, raises it.
     *
     * @return NaN where the magnitudes of x are not known
     */
    double rowwiseError(Value x, MatrixSource weight) {
        Supplier<double[]> input = known.get(x);
        if (input == null) {
            return Double.NaN;
        }
        double[] squares = repeated(input.get(), weight.columns());
        double[] columns = columnSquares(weight);
        double noise = 0;
        double signal = 0;
        for (int k = 0; k < columns.length; k++) {
            noise += columns[k];
            signal += columns[k] * squares[k];
        }
        double step = Math.sqrt(largestSquare(squares)) / 127;
        return signal == 0 ? 0 : step * Math.sqrt(noise / 12 / signal);
    }

    /**
     * About the mean of m², with normal values in each channel: where the bounds exp(−m² / 2 x_k²) of exceeding it in channel k add
     * up to exp(−1/2). For one channel alone that is its mean square, for 1024 even ones 15 % over the root.
     */
    private static double largestSquare(double[] squares) {
        double low = 0;
        double high = 2
                * Math.log(2.0 * squares.length)
                * Arrays.stream(squares).max().orElse(0);
        for (int i = 0; i < 40; i++) {
            double middle = (low + high) / 2;
            double exceeded = 0;
            for (double square : squares) {
                exceeded += square == 0 ? 0 : Math.exp(-middle / (2 * square));
            }
            if (exceeded > ALONE) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return high;
    }

    private static double[] columnSquares(MatrixSource weight) {
        int rows = Math.min(SAMPLE, weight.rows());
        // In parts that do not depend on the number of threads: a sum in another order could decide otherwise.
        List<double[]> parts = IntStream.range(0, Math.ceilDiv(rows, PART))
                .parallel()
                .mapToObj(part -> columnSquares(weight, rows, part * PART, Math.min(rows, (part + 1) * PART)))
                .toList();
        double[] squares = new double[weight.columns()];
        for (double[] part : parts) {
            for (int k = 0; k < squares.length; k++) {
                squares[k] += part[k];
            }
        }
        return squares;
    }

    /** Of rows {@code [from, to)} of {@code rows} that are spread over the weight. */
    private static double[] columnSquares(MatrixSource weight, int rows, int from, int to) {
        double[] squares = new double[weight.columns()];
        float[] row = new float[squares.length];
        for (int i = from; i < to; i++) {
            weight.read((int) ((long) i * weight.rows() / rows), 0, row.length, row, 0);
            for (int k = 0; k < row.length; k++) {
                squares[k] += (double) row[k] * row[k];
            }
        }
        return squares;
    }

    /** A layer may read several rows side by side: each has the same channels. */
    private static double[] repeated(double[] squares, int channels) {
        double[] repeated = new double[channels];
        for (int k = 0; k < channels; k++) {
            repeated[k] = squares[k % squares.length];
        }
        return repeated;
    }

    private static double[] squares(float[] values) {
        double[] squares = new double[values.length];
        for (int i = 0; i < squares.length; i++) {
            squares[i] = (double) values[i] * values[i];
        }
        return squares;
    }

    private void same(Value output, Value input) {
        Supplier<double[]> source = known.get(input);
        if (source != null) {
            know(output, source);
        }
    }

    /** Of independent values. */
    private void sum(Value output, Value a, Value b) {
        Supplier<double[]> first = known.get(a);
        Supplier<double[]> second = known.get(b);
        if (first != null && second != null) {
            know(output, () -> {
                double[] sum = first.get().clone();
                double[] more = second.get();
                for (int k = 0; k < sum.length; k++) {
                    sum[k] += more[k % more.length];
                }
                return sum;
            });
        }
    }

    private void product(Value output, Value a, Value b) {
        Supplier<double[]> first = known.get(a);
        Supplier<double[]> second = known.get(b);
        if (first != null && second != null) {
            know(output, () -> {
                double[] product = first.get().clone();
                double[] other = second.get();
                for (int k = 0; k < product.length; k++) {
                    product[k] *= other[k % other.length];
                }
                return product;
            });
        }
    }

    private void know(Value value, Supplier<double[]> squares) {
        known.put(value, new Supplier<>() {
            private double @Nullable [] found;

            @Override
            public double[] get() {
                double[] result = found;
                if (result == null) {
                    result = squares.get();
                    found = result;
                }
                return result;
            }
        });
    }
}
