package org.vlmserve.importer.graph;

import org.vlmserve.importer.Precision;

/**
 * Which matrix gets which {@link WeightFormat}: the one place that decides.
 *
 * <ul>
 *   <li>{@code fp32}: everything float.
 *   <li>{@code int8}: everything row-wise 8 bit. A row's answer does not depend on its batch mates.
 *   <li>{@code int4}: the language model's layers in 4-bit blocks and its head in 8-bit blocks, where an error goes into every
 *       answer at once. Encoder and projector are bound by arithmetic, not by memory, so they stay row-wise 8 bit.
 * </ul>
 *
 * The patch embedding is float in each: it sees raw pixels, and is a small share of the work.
 */
public record PrecisionPolicy(Precision precision) {

    /** Most that a row-wise layer's output may be off, relative to its size. */
    static final double ROWWISE_ERROR = 0.1;

    /** What a matrix is for. */
    public enum Role {
        PATCH_EMBEDDING,
        ENCODER,
        PROJECTOR,
        DECODER,
        HEAD
    }

    public WeightFormat format(Role role) {
        if (role == Role.PATCH_EMBEDDING) {
            return WeightFormat.FP32;
        }
        return switch (precision) {
            case FP32 -> WeightFormat.FP32;
            case INT8 -> WeightFormat.ROWWISE_INT8;
            case INT4 ->
                switch (role) {
                    case DECODER -> WeightFormat.BLOCK_INT4;
                    case HEAD -> WeightFormat.BLOCK_INT8;
                    default -> WeightFormat.ROWWISE_INT8;
                };
        };
    }

    /**
     * The rule for outliers: a row-wise layer that is expected to lose more than {@link #ROWWISE_ERROR} gets blocks of 8 bits, where
     * an outlier costs its own block of 32 channels and no other. Measured in docs/precision.md.
     *
     * @param rowwiseError the relative error that the layer's output is expected to have in {@code ROWWISE_INT8}, or NaN
     */
    static WeightFormat forOutliers(WeightFormat format, double rowwiseError) {
        return format == WeightFormat.ROWWISE_INT8 && rowwiseError > ROWWISE_ERROR ? WeightFormat.BLOCK_INT8 : format;
    }
}
