package org.vlmserve.protocol;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;

/**
 * Takes one record's bytes apart. Each length is checked against what is left of the input before anything is allocated,
 * and each error names the field.
 */
final class WireReader {

    private static final int MAX_RANK = 8;

    private final ByteBuffer in;
    private String record = "record";

    WireReader(ByteBuffer in) {
        this.in = in.slice().order(ByteOrder.LITTLE_ENDIAN);
    }

    /** The record's name stands in front of each field in errors. */
    void enter(String record) {
        this.record = record;
    }

    VlmException corrupt(String field, String what) {
        return new VlmException(
                ErrorCode.RECORD_UNREADABLE,
                record + "." + field + " at byte " + in.position() + " of " + in.limit() + ": " + what);
    }

    private void need(long bytes, String field) {
        if (bytes > in.remaining()) {
            throw corrupt(field, "needs " + bytes + " bytes, " + in.remaining() + " are left; the record is truncated");
        }
    }

    void end() {
        if (in.hasRemaining()) {
            throw corrupt("end", in.remaining() + " bytes follow the last field");
        }
    }

    int u8(String field) {
        need(1, field);
        return in.get() & 0xFF;
    }

    boolean bool(String field) {
        int value = u8(field);
        if (value > 1) {
            throw corrupt(field, "flag is " + value + ", expected 0 or 1");
        }
        return value == 1;
    }

    long unsigned(String field) {
        long value = 0;
        for (int shift = 0; shift < Long.SIZE; shift += 7) {
            int next = u8(field);
            if (shift == 63 && next > 1) {
                break;
            }
            value |= (long) (next & 0x7F) << shift;
            if (next < 0x80) {
                return value;
            }
        }
        throw corrupt(field, "number has more than 64 bits");
    }

    long signed(String field) {
        long value = unsigned(field);
        return (value >>> 1) ^ -(value & 1);
    }

    int int32(String field) {
        long value = signed(field);
        if (value != (int) value) {
            throw corrupt(field, value + " does not fit 32 bits");
        }
        return (int) value;
    }

    private int count(String field) {
        long value = unsigned(field);
        if (value < 0 || value > in.remaining()) {
            throw corrupt(
                    field,
                    "length " + Long.toUnsignedString(value) + ", but " + in.remaining()
                            + " bytes are left; the record is truncated");
        }
        return (int) value;
    }

    double float64(String field) {
        need(Double.BYTES, field);
        return in.getDouble();
    }

    String string(String field) {
        int length = count(field);
        try {
            String value = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(in.slice(in.position(), length))
                    .toString();
            in.position(in.position() + length);
            return value;
        } catch (CharacterCodingException e) {
            throw corrupt(field, "text is not UTF-8");
        }
    }

    byte[] bytes(String field) {
        byte[] value = new byte[count(field)];
        in.get(value);
        return value;
    }

    Instant instant(String field) {
        long seconds = signed(field);
        long nanos = unsigned(field);
        if (nanos < 0 || nanos > 999_999_999) {
            throw corrupt(field, Long.toUnsignedString(nanos) + " nanoseconds, expected less than a second");
        }
        try {
            return Instant.ofEpochSecond(seconds, nanos);
        } catch (DateTimeException e) {
            throw corrupt(field, seconds + " seconds since 1970 are out of range");
        }
    }

    Duration duration(String field) {
        return Duration.ofNanos(signed(field));
    }

    PictureKey key(String field) {
        need(32, field);
        byte[] digest = new byte[32];
        in.get(digest);
        return new PictureKey(HexFormat.of().formatHex(digest));
    }

    /** A view of the input: the tensor's bytes are not copied. */
    Tensor tensor(String field) {
        int code = u8(field);
        DType dtype;
        try {
            dtype = DType.ofCode(code);
        } catch (IllegalArgumentException e) {
            throw corrupt(field, String.valueOf(e.getMessage()));
        }
        int rank = u8(field);
        if (rank > MAX_RANK) {
            throw corrupt(field, "tensor has " + rank + " axes, expected at most " + MAX_RANK);
        }
        int[] shape = new int[rank];
        boolean empty = false;
        long bytes = dtype.bytes();
        for (int axis = 0; axis < rank; axis++) {
            long dimension = unsigned(field);
            if (dimension < 0 || dimension > Integer.MAX_VALUE) {
                throw corrupt(field, "axis " + axis + " is " + Long.toUnsignedString(dimension) + " long");
            }
            shape[axis] = (int) dimension;
            empty |= dimension == 0;
            // The cap keeps the product far from overflow; anything above 2^31 is refused below.
            bytes = empty ? 0 : Math.min(bytes * dimension, 1L << 32);
        }
        need(bytes, field);
        Tensor value = new Tensor(dtype, shape, in.slice(in.position(), (int) bytes));
        in.position(in.position() + (int) bytes);
        return value;
    }

    <T> @Nullable T nullable(String field, Supplier<T> present) {
        return bool(field) ? present.get() : null;
    }

    /** Every element takes at least one byte, so the count can never ask for more memory than the input justifies. */
    <T> List<T> list(String field, Supplier<T> each) {
        int count = count(field);
        List<T> values = new ArrayList<>(Math.min(count, 1024));
        for (int i = 0; i < count; i++) {
            values.add(each.get());
        }
        return values;
    }
}
