package org.vlmserve.protocol.tensor;

/** Element types that cross the wire. Codes are stable. */
public enum DType {
    F32(1, 4),
    F16(2, 2),
    BF16(3, 2),
    I64(4, 8),
    U8(5, 1);

    private final int code;
    private final int bytes;

    DType(int code, int bytes) {
        this.code = code;
        this.bytes = bytes;
    }

    public int code() {
        return code;
    }

    /** Bytes of one element. */
    public int bytes() {
        return bytes;
    }

    /** @throws IllegalArgumentException for a code that stands for no type */
    public static DType ofCode(int code) {
        for (DType type : values()) {
            if (type.code == code) {
                return type;
            }
        }
        throw new IllegalArgumentException("no tensor element type has code " + code + "; expected 1 to 5");
    }
}
