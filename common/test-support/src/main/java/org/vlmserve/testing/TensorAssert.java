package org.vlmserve.testing;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Locale;
import org.assertj.core.api.AbstractAssert;
import org.vlmserve.protocol.tensor.Tensor;

/**
 * Assertions about shape and elements that say, when they fail, which element is worst and what both sides hold there.
 */
public final class TensorAssert extends AbstractAssert<TensorAssert, Tensor> {

    private TensorAssert(Tensor actual) {
        super(actual, TensorAssert.class);
    }

    public static TensorAssert assertThat(Tensor actual) {
        return new TensorAssert(actual);
    }

    public static TensorAssert assertThat(NpyArray actual) {
        return new TensorAssert(actual.tensor());
    }

    /** @throws IllegalArgumentException if the values do not fill the shape */
    public static TensorAssert assertThat(float[] values, int... shape) {
        return new TensorAssert(Tensor.ofFloats(values, shape));
    }

    public TensorAssert hasShape(int... shape) {
        isNotNull();
        if (!Arrays.equals(actual.shape(), shape)) {
            failWithMessage("Expected shape %s but was %s", Arrays.toString(shape), Arrays.toString(actual.shape()));
        }
        return this;
    }

    /** Same shape, and every element within {@code atol} of the golden's. NaN is close to NaN only. */
    public TensorAssert isCloseTo(NpyArray golden, double atol) {
        return isCloseTo(golden.tensor(), golden.name(), atol, 0);
    }

    /** As above, with {@code atol + rtol · |expected|} allowed. */
    public TensorAssert isCloseTo(NpyArray golden, double atol, double rtol) {
        return isCloseTo(golden.tensor(), golden.name(), atol, rtol);
    }

    public TensorAssert isCloseTo(Tensor expected, double atol) {
        return isCloseTo(expected, "expected", atol, 0);
    }

    /** Same type, shape and elements; of floats, the same number, −0 being 0. */
    public TensorAssert isIdenticalTo(NpyArray golden) {
        isNotNull();
        if (actual.dtype() != golden.dtype()) {
            failWithMessage("Expected elements of %s but were %s", golden.dtype(), actual.dtype());
        }
        return isCloseTo(golden.tensor(), golden.name(), 0, 0);
    }

    private TensorAssert isCloseTo(Tensor expected, String name, double atol, double rtol) {
        hasShape(expected.shape());
        double[] is = values(actual);
        double[] should = values(expected);
        int wrong = 0;
        int first = -1;
        int worst = -1;
        double worstExcess = Double.NEGATIVE_INFINITY;
        double largest = 0;
        double sum = 0;
        for (int i = 0; i < is.length; i++) {
            double distance = distance(is[i], should[i]);
            double allowed = atol + rtol * (Double.isFinite(should[i]) ? Math.abs(should[i]) : 0);
            largest = Math.max(largest, distance);
            sum += distance;
            if (distance > allowed) {
                wrong++;
                if (first < 0) {
                    first = i;
                }
                double excess = distance - allowed;
                if (excess > worstExcess) {
                    worstExcess = excess;
                    worst = i;
                }
            }
        }
        if (wrong > 0) {
            failWithMessage(
                    "%s: %d of %d elements differ from %s by more than %s%s%n"
                            + "  worst at %s: expected %s but was %s (off by %s)%n"
                            + "  first at %s: expected %s but was %s%n"
                            + "  largest distance %s, mean distance %s, shape %s",
                    actual.dtype(),
                    wrong,
                    is.length,
                    name,
                    number(atol),
                    rtol == 0 ? "" : " + " + number(rtol) + "·|expected|",
                    index(worst, expected.shape()),
                    number(should[worst]),
                    number(is[worst]),
                    number(distance(is[worst], should[worst])),
                    index(first, expected.shape()),
                    number(should[first]),
                    number(is[first]),
                    number(largest),
                    number(sum / is.length),
                    Arrays.toString(expected.shape()));
        }
        return this;
    }

    private static double distance(double is, double should) {
        if (is == should || (Double.isNaN(is) && Double.isNaN(should))) {
            return 0;
        }
        double distance = Math.abs(is - should);
        return Double.isNaN(distance) ? Double.POSITIVE_INFINITY : distance;
    }

    private static double[] values(Tensor tensor) {
        int size = tensor.byteSize() / tensor.dtype().bytes();
        double[] values = new double[size];
        ByteBuffer data = tensor.data();
        switch (tensor.dtype()) {
            case F32 -> {
                float[] floats = tensor.toFloats();
                for (int i = 0; i < size; i++) {
                    values[i] = floats[i];
                }
            }
            case F16 -> {
                for (int i = 0; i < size; i++) {
                    values[i] = Float.float16ToFloat(data.getShort(2 * i));
                }
            }
            case BF16 -> {
                for (int i = 0; i < size; i++) {
                    values[i] = Float.intBitsToFloat(data.getShort(2 * i) << 16);
                }
            }
            case I64 -> {
                for (int i = 0; i < size; i++) {
                    values[i] = data.getLong(8 * i);
                }
            }
            case U8 -> {
                for (int i = 0; i < size; i++) {
                    values[i] = Byte.toUnsignedInt(data.get(i));
                }
            }
        }
        return values;
    }

    private static String index(int flat, int[] shape) {
        int[] index = new int[shape.length];
        int rest = flat;
        for (int axis = shape.length - 1; axis >= 0; axis--) {
            index[axis] = rest % shape[axis];
            rest /= shape[axis];
        }
        return Arrays.toString(index);
    }

    private static String number(double value) {
        return value == Math.rint(value) && Math.abs(value) < 1e15
                ? String.format(Locale.ROOT, "%.0f", value)
                : String.format(Locale.ROOT, "%.7g", value);
    }
}
