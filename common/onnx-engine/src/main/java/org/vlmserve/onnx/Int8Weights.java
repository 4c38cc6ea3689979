package org.vlmserve.onnx;

/**
 * How ONNX Runtime multiplies 8-bit activations with 8-bit weights on x86-64. Processors without VNNI add products of unsigned and
 * signed bytes in pairs of 16 bits, which overflow; with the weights as unsigned bytes they take other instructions, which do not.
 */
public enum Int8Weights {
    /** Signed where that is right on this processor, otherwise unsigned. */
    AUTO,
    /** As the bundle keeps them. */
    SIGNED,
    /** Rewritten when a session is built ({@code session.x64quantprecision}). */
    UNSIGNED
}
