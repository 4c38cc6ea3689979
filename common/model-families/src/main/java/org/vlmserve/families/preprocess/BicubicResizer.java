package org.vlmserve.families.preprocess;

import java.util.Arrays;
import org.vlmserve.media.RgbPicture;

/**
 * Pillow's bicubic resize of 8-bit pictures, bit for bit.
 *
 * <p>Keys' cubic (a = -1/2) over a support of two source pixels, widened by the scale when the picture shrinks. The weights
 * of one output pixel are divided by their sum in double precision and rounded, half away from zero, to fixed point with 22
 * fractional bits. The picture is resized across and then down, each pass rounding and clipping to 8 bits; a pass that
 * would keep the size is left out. Follows {@code src/libImaging/Resample.c} of Pillow 12.
 */
public final class BicubicResizer {

    private static final int CHANNELS = 3;
    private static final int FRACTION_BITS = 32 - 8 - 2;
    private static final int HALF = 1 << (FRACTION_BITS - 1);
    private static final double SUPPORT = 2.0;
    private static final double A = -0.5;

    private BicubicResizer() {}

    /**
     * @param width of the result, at least 1
     * @param height of the result, at least 1
     */
    public static RgbPicture resize(RgbPicture picture, int width, int height) {
        return resize(picture, width, height, 0, 0, width, height);
    }

    /**
     * A part of what {@link #resize(RgbPicture, int, int)} gives, without the rest, which no array need hold.
     *
     * @param width of the whole result, at least 1
     * @param height of the whole result, at least 1
     * @param left first column of the part
     * @param top first row of the part
     */
    public static RgbPicture resize(
            RgbPicture picture, long width, long height, long left, long top, int partWidth, int partHeight) {
        Weights columns = Weights.of(picture.width(), width, left, partWidth);
        Weights rows = Weights.of(picture.height(), height, top, partHeight);
        int firstRow = rows.begin();
        int neededRows = rows.end() - firstRow;
        byte[] strip = across(picture.pixels(), picture.width(), firstRow, neededRows, columns);
        return new RgbPicture(partWidth, partHeight, down(strip, partWidth, firstRow, rows));
    }

    /** [·, from, 3] → [height, to, 3], rows from {@code top} on. */
    private static byte[] across(byte[] in, int from, int top, int height, Weights weights) {
        int to = weights.first.length;
        byte[] out = new byte[Math.multiplyExact(Math.multiplyExact(height, to), CHANNELS)];
        if (weights.copies) {
            for (int y = 0; y < height; y++) {
                int begin = ((top + y) * from + weights.first[0]) * CHANNELS;
                System.arraycopy(in, begin, out, y * to * CHANNELS, to * CHANNELS);
            }
            return out;
        }
        int o = 0;
        for (int y = 0; y < height; y++) {
            int row = (top + y) * from * CHANNELS;
            for (int x = 0; x < to; x++) {
                int k = x * weights.stride;
                int end = k + weights.count[x];
                int i = row + weights.first[x] * CHANNELS;
                int red = HALF;
                int green = HALF;
                int blue = HALF;
                for (; k < end; k++, i += CHANNELS) {
                    int weight = weights.fixed[k];
                    red += (in[i] & 0xff) * weight;
                    green += (in[i + 1] & 0xff) * weight;
                    blue += (in[i + 2] & 0xff) * weight;
                }
                out[o++] = clip(red);
                out[o++] = clip(green);
                out[o++] = clip(blue);
            }
        }
        return out;
    }

    /** [·, width, 3], whose first row is the picture's row {@code top} → [to, width, 3] */
    private static byte[] down(byte[] in, int width, int top, Weights weights) {
        if (weights.copies) {
            return in;
        }
        int to = weights.first.length;
        int stride = width * CHANNELS;
        byte[] out = new byte[Math.multiplyExact(to, stride)];
        int[] sums = new int[stride];
        for (int y = 0; y < to; y++) {
            Arrays.fill(sums, HALF);
            for (int k = 0; k < weights.count[y]; k++) {
                int weight = weights.fixed[y * weights.stride + k];
                int row = (weights.first[y] - top + k) * stride;
                for (int i = 0; i < stride; i++) {
                    sums[i] += (in[row + i] & 0xff) * weight;
                }
            }
            int row = y * stride;
            for (int i = 0; i < stride; i++) {
                out[row + i] = clip(sums[i]);
            }
        }
        return out;
    }

    private static byte clip(int fixed) {
        int value = fixed >> FRACTION_BITS;
        return (byte) (value < 0 ? 0 : Math.min(value, 255));
    }

    /**
     * @param first [to], the first source pixel of each output pixel
     * @param count [to], how many source pixels it takes
     * @param fixed [to, stride], their weights
     * @param copies whether the size stays, so that the pass is left out
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Weights(int[] first, int[] count, int[] fixed, int stride, boolean copies) {

        int begin() {
            return first[0];
        }

        int end() {
            int last = first.length - 1;
            return first[last] + count[last];
        }

        /** @param size of the whole output, of which {@code to} pixels from {@code start} on are wanted */
        static Weights of(int from, long size, long start, int to) {
            double scale = (double) from / size;
            double filterScale = Math.max(scale, 1.0);
            double support = SUPPORT * filterScale;
            int stride = (int) Math.ceil(support) * 2 + 1;
            double inverse = 1.0 / filterScale;
            int[] first = new int[to];
            int[] count = new int[to];
            if (from == size) {
                Arrays.setAll(first, x -> (int) start + x);
                Arrays.fill(count, 1);
                return new Weights(first, count, new int[0], 1, true);
            }
            int[] fixed = new int[Math.multiplyExact(to, stride)];
            double[] weights = new double[stride];
            for (int x = 0; x < to; x++) {
                double centre = (start + x + 0.5) * scale;
                int begin = Math.max((int) (centre - support + 0.5), 0);
                int n = Math.min((int) (centre + support + 0.5), from) - begin;
                double sum = 0;
                for (int i = 0; i < n; i++) {
                    weights[i] = cubic((i + begin - centre + 0.5) * inverse);
                    sum += weights[i];
                }
                for (int i = 0; i < n; i++) {
                    double weight = sum == 0 ? weights[i] : weights[i] / sum;
                    double scaled = weight * (1 << FRACTION_BITS);
                    fixed[x * stride + i] = (int) (weight < 0 ? scaled - 0.5 : scaled + 0.5);
                }
                first[x] = begin;
                count[x] = n;
            }
            return new Weights(first, count, fixed, stride, false);
        }
    }

    private static double cubic(double distance) {
        double x = Math.abs(distance);
        if (x < 1.0) {
            return ((A + 2.0) * x - (A + 3.0)) * x * x + 1;
        }
        if (x < 2.0) {
            return (((x - 5) * x + 8) * x - 4) * A;
        }
        return 0.0;
    }
}
