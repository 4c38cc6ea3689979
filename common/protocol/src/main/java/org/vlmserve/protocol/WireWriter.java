package org.vlmserve.protocol;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.tensor.Tensor;

/**
 * Builds one record's bytes. Small fields gather in a buffer of their own; tensors and files are only remembered until
 * {@link #toBytes()} knows the exact size, so that their bytes are copied once.
 */
final class WireWriter {

    private record Bulk(int at, ByteBuffer bytes) {}

    private byte[] small = new byte[256];
    private int size;
    private final List<Bulk> bulks = new ArrayList<>();

    byte[] toBytes() {
        int total = size;
        for (Bulk bulk : bulks) {
            total = Math.addExact(total, bulk.bytes.remaining());
        }
        byte[] out = new byte[total];
        int from = 0;
        int to = 0;
        for (Bulk bulk : bulks) {
            System.arraycopy(small, from, out, to, bulk.at - from);
            to += bulk.at - from;
            from = bulk.at;
            int length = bulk.bytes.remaining();
            bulk.bytes.duplicate().get(out, to, length);
            to += length;
        }
        System.arraycopy(small, from, out, to, size - from);
        return out;
    }

    void u8(int value) {
        if (size == small.length) {
            small = Arrays.copyOf(small, 2 * size);
        }
        small[size++] = (byte) value;
    }

    private void raw(byte[] bytes) {
        if (small.length - size < bytes.length) {
            small = Arrays.copyOf(small, Math.max(2 * small.length, Math.addExact(size, bytes.length)));
        }
        System.arraycopy(bytes, 0, small, size, bytes.length);
        size += bytes.length;
    }

    void bool(boolean value) {
        u8(value ? 1 : 0);
    }

    /** Seven bits a byte, lowest first; the high bit says that more follow. */
    void unsigned(long value) {
        long rest = value;
        while ((rest & ~0x7FL) != 0) {
            u8((int) (rest & 0x7F) | 0x80);
            rest >>>= 7;
        }
        u8((int) rest);
    }

    /** Zigzag, so that small negative numbers are short too. */
    void signed(long value) {
        unsigned((value << 1) ^ (value >> 63));
    }

    void int32(int value) {
        signed(value);
    }

    void float64(double value) {
        long bits = Double.doubleToRawLongBits(value);
        for (int shift = 0; shift < Long.SIZE; shift += Byte.SIZE) {
            u8((int) (bits >>> shift));
        }
    }

    void string(String value) {
        byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
        unsigned(utf8.length);
        raw(utf8);
    }

    void bytes(byte[] value) {
        unsigned(value.length);
        bulks.add(new Bulk(size, ByteBuffer.wrap(value)));
    }

    void instant(Instant value) {
        signed(value.getEpochSecond());
        unsigned(value.getNano());
    }

    void duration(Duration value) {
        signed(value.toNanos());
    }

    void key(PictureKey value) {
        raw(HexFormat.of().parseHex(value.hex()));
    }

    void tensor(Tensor value) {
        u8(value.dtype().code());
        u8(value.rank());
        for (int axis = 0; axis < value.rank(); axis++) {
            unsigned(value.dim(axis));
        }
        bulks.add(new Bulk(size, value.data()));
    }

    <T> void nullable(@Nullable T value, Consumer<T> present) {
        bool(value != null);
        if (value != null) {
            present.accept(value);
        }
    }

    <T> void list(List<T> values, Consumer<T> each) {
        unsigned(values.size());
        values.forEach(each);
    }
}
