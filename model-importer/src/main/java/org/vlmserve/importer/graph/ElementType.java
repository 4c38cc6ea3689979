package org.vlmserve.importer.graph;

import ai.onnx.proto.OnnxMl.TensorProto;

/** Element types of the graphs built here. */
public enum ElementType {
    FLOAT(TensorProto.DataType.FLOAT, 4),
    UINT8(TensorProto.DataType.UINT8, 1),
    INT8(TensorProto.DataType.INT8, 1),
    INT32(TensorProto.DataType.INT32, 4),
    INT64(TensorProto.DataType.INT64, 8);

    private final TensorProto.DataType type;
    private final int bytes;

    ElementType(TensorProto.DataType type, int bytes) {
        this.type = type;
        this.bytes = bytes;
    }

    int number() {
        return type.getNumber();
    }

    /** Bytes of one element. */
    public int bytes() {
        return bytes;
    }
}
