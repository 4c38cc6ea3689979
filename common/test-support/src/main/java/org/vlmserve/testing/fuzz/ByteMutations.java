package org.vlmserve.testing.fuzz;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;

/**
 * Mutations of any bytes. Places are drawn from the whole input, and as often from its first and its last bytes, where formats have
 * their headers and directories.
 */
public final class ByteMutations {

    /** Bytes at either end that are drawn more often than others. */
    private static final int END = 256;

    private static final int LONGEST_PIECE = 1 << 14;

    /** Numbers at which sizes, signs and widths change. */
    private static final long[] EXTREMES = {
        0,
        1,
        -1,
        2,
        7,
        8,
        9,
        0x7f,
        0x80,
        0xff,
        0x100,
        0x7fff,
        0x8000,
        0xffff,
        0x10000,
        0xffffff,
        100_000_000,
        0x7ffffffe,
        0x7fffffff,
        0x80000000L,
        0xfffffffeL,
        0xffffffffL,
        0x100000000L,
        1L << 53,
        Long.MAX_VALUE - 7,
        Long.MAX_VALUE,
        Long.MIN_VALUE,
    };

    private ByteMutations() {}

    public static List<Mutation> all() {
        return List.of(
                ByteMutations::flipBits,
                ByteMutations::setByte,
                ByteMutations::setNumber,
                ByteMutations::setNumber,
                ByteMutations::addToNumber,
                ByteMutations::truncate,
                ByteMutations::remove,
                ByteMutations::duplicate,
                ByteMutations::insert,
                ByteMutations::exchange,
                ByteMutations::splice,
                ByteMutations::continueAsOther);
    }

    private static byte[] flipBits(byte[] input, byte[] other, RandomGenerator random) {
        byte[] out = input.clone();
        for (int i = 1 + random.nextInt(8); i > 0 && out.length > 0; i--) {
            out[place(out.length, random)] ^= (byte) (1 << random.nextInt(8));
        }
        return out;
    }

    private static byte[] setByte(byte[] input, byte[] other, RandomGenerator random) {
        byte[] out = input.clone();
        for (int i = 1 + random.nextInt(4); i > 0 && out.length > 0; i--) {
            out[place(out.length, random)] = (byte) random.nextInt(256);
        }
        return out;
    }

    private static byte[] setNumber(byte[] input, byte[] other, RandomGenerator random) {
        int width = width(input, random);
        if (width == 0) {
            return input;
        }
        byte[] out = input.clone();
        putNumber(out, place(out.length - width + 1, random), width, order(random), extreme(random));
        return out;
    }

    private static byte[] addToNumber(byte[] input, byte[] other, RandomGenerator random) {
        int width = width(input, random);
        if (width == 0) {
            return input;
        }
        byte[] out = input.clone();
        int at = place(out.length - width + 1, random);
        ByteOrder order = order(random);
        byte[] wide = new byte[Long.BYTES];
        System.arraycopy(out, at, wide, order == ByteOrder.LITTLE_ENDIAN ? 0 : Long.BYTES - width, width);
        long before = ByteBuffer.wrap(wide).order(order).getLong();
        putNumber(out, at, width, order, before + random.nextInt(-16, 17));
        return out;
    }

    private static byte[] truncate(byte[] input, byte[] other, RandomGenerator random) {
        return Arrays.copyOf(input, place(input.length + 1, random));
    }

    private static byte[] remove(byte[] input, byte[] other, RandomGenerator random) {
        int at = place(input.length + 1, random);
        int length = piece(input.length - at, random);
        return join(Arrays.copyOf(input, at), Arrays.copyOfRange(input, at + length, input.length));
    }

    private static byte[] duplicate(byte[] input, byte[] other, RandomGenerator random) {
        int at = place(input.length + 1, random);
        byte[] piece = Arrays.copyOfRange(input, at, at + piece(input.length - at, random));
        int times = 1 << random.nextInt(8);
        byte[] copies = new byte[Math.min(times * piece.length, Mutator.LARGEST)];
        for (int i = 0; i < copies.length; i++) {
            copies[i] = piece[i % piece.length];
        }
        return join(Arrays.copyOf(input, at), copies, Arrays.copyOfRange(input, at, input.length));
    }

    private static byte[] insert(byte[] input, byte[] other, RandomGenerator random) {
        int at = place(input.length + 1, random);
        byte[] piece = new byte[1 + random.nextInt(64)];
        if (random.nextBoolean()) {
            random.nextBytes(piece);
        } else {
            Arrays.fill(piece, (byte) random.nextInt(256));
        }
        return join(Arrays.copyOf(input, at), piece, Arrays.copyOfRange(input, at, input.length));
    }

    /** Two pieces change places. */
    private static byte[] exchange(byte[] input, byte[] other, RandomGenerator random) {
        int first = place(input.length + 1, random);
        int firstEnd = first + piece(input.length - first, random);
        int second = firstEnd + random.nextInt(input.length - firstEnd + 1);
        int secondEnd = second + piece(input.length - second, random);
        return join(
                Arrays.copyOf(input, first),
                Arrays.copyOfRange(input, second, secondEnd),
                Arrays.copyOfRange(input, firstEnd, second),
                Arrays.copyOfRange(input, first, firstEnd),
                Arrays.copyOfRange(input, secondEnd, input.length));
    }

    /** A piece of the other input takes the place of as many bytes, or pushes them on. */
    private static byte[] splice(byte[] input, byte[] other, RandomGenerator random) {
        int from = place(other.length + 1, random);
        byte[] piece = Arrays.copyOfRange(other, from, from + piece(other.length - from, random));
        int at = place(input.length + 1, random);
        int rest = random.nextBoolean() ? at : Math.min(input.length, at + piece.length);
        return join(Arrays.copyOf(input, at), piece, Arrays.copyOfRange(input, rest, input.length));
    }

    private static byte[] continueAsOther(byte[] input, byte[] other, RandomGenerator random) {
        int from = place(other.length + 1, random);
        return join(
                Arrays.copyOf(input, place(input.length + 1, random)), Arrays.copyOfRange(other, from, other.length));
    }

    private static int place(int bound, RandomGenerator random) {
        int near = Math.min(bound, END);
        return switch (random.nextInt(3)) {
            case 0 -> random.nextInt(near);
            case 1 -> bound - 1 - random.nextInt(near);
            default -> random.nextInt(bound);
        };
    }

    /** A length of at most {@code most}, short ones more often. */
    private static int piece(int most, RandomGenerator random) {
        int bound = Math.min(most, 1 << random.nextInt(Integer.numberOfTrailingZeros(LONGEST_PIECE) + 1));
        return random.nextInt(bound + 1);
    }

    private static int width(byte[] input, RandomGenerator random) {
        int width = 1 << random.nextInt(4);
        return width <= input.length ? width : 0;
    }

    private static ByteOrder order(RandomGenerator random) {
        return random.nextBoolean() ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN;
    }

    private static long extreme(RandomGenerator random) {
        return EXTREMES[random.nextInt(EXTREMES.length)];
    }

    private static void putNumber(byte[] out, int at, int width, ByteOrder order, long value) {
        byte[] wide =
                ByteBuffer.allocate(Long.BYTES).order(order).putLong(value).array();
        System.arraycopy(wide, order == ByteOrder.LITTLE_ENDIAN ? 0 : Long.BYTES - width, out, at, width);
    }

    private static byte[] join(byte[]... pieces) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (byte[] piece : pieces) {
            out.writeBytes(piece);
        }
        return out.toByteArray();
    }
}
