package org.vlmserve.importer.checkpoint;

import org.vlmserve.protocol.tensor.DType;

/** An element type of a checkpoint whose values are taken as they are, or rounded to the nearest float as torch does. */
enum StoredType {
    F64(Double.BYTES, DType.F32),
    F32(Float.BYTES, DType.F32),
    F16(Short.BYTES, DType.F16),
    BF16(Short.BYTES, DType.BF16);

    private final int bytes;
    private final DType given;

    StoredType(int bytes, DType given) {
        this.bytes = bytes;
        this.given = given;
    }

    int bytes() {
        return bytes;
    }

    /** The type that its tensors go on in. */
    DType given() {
        return given;
    }
}
