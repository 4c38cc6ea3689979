package org.vlmserve.families.backbone;

import org.vlmserve.families.checkpoint.CheckpointJson;

/**
 * Rotary frequencies, and how a checkpoint was stretched to longer contexts. Follows {@code modeling_rope_utils.py} of
 * transformers 5.18.
 *
 * @param theta the base
 * @param kind how frequencies are changed
 * @param factor by which they are divided
 * @param lowFrequencyFactor LLAMA3: wavelengths above the original context by this are stretched in full
 * @param highFrequencyFactor LLAMA3: wavelengths below the original context by this stay
 * @param originalContext LLAMA3: positions that the checkpoint had before it was stretched
 */
public record RotaryScaling(
        double theta,
        Kind kind,
        double factor,
        double lowFrequencyFactor,
        double highFrequencyFactor,
        int originalContext) {

    public enum Kind {
        DEFAULT,
        LINEAR,
        LLAMA3
    }

    /** {@code rope_parameters} as transformers 5 writes them, or {@code rope_scaling} beside {@code rope_theta}. */
    static RotaryScaling read(CheckpointJson text, double absentTheta) {
        CheckpointJson rope = text.object(text.has("rope_scaling") ? "rope_scaling" : "rope_parameters");
        double theta = rope.doubleValue("rope_theta", text.doubleValue("rope_theta", absentTheta));
        String typeKey = rope.has("rope_type") ? "rope_type" : "type";
        String type = rope.string(typeKey, "default");
        if (rope.doubleValue("partial_rotary_factor", text.doubleValue("partial_rotary_factor", 1)) != 1) {
            throw rope.unsupported("partial_rotary_factor", "1");
        }
        return switch (type) {
            case "default" -> new RotaryScaling(theta, Kind.DEFAULT, 1, 1, 1, 1);
            case "linear" -> new RotaryScaling(theta, Kind.LINEAR, positive(rope, "factor"), 1, 1, 1);
            case "llama3" ->
                new RotaryScaling(
                        theta,
                        Kind.LLAMA3,
                        positive(rope, "factor"),
                        positive(rope, "low_freq_factor"),
                        positive(rope, "high_freq_factor"),
                        rope.positiveInt("original_max_position_embeddings", 0));
            default -> throw rope.unsupported(typeKey, "default, linear, llama3");
        };
    }

    private static double positive(CheckpointJson rope, String key) {
        double value = rope.doubleValue(key, 0);
        if (!(value > 0)) {
            throw rope.unreadable(key, "a positive number");
        }
        return value;
    }

    /** [headDim / 2], rounded to float where the reference rounds. */
    public float[] inverseFrequencies(int headDim) {
        float[] inverse = new float[headDim / 2];
        for (int f = 0; f < inverse.length; f++) {
            float plain = 1 / (float) StrictMath.pow(theta, (float) (2 * f) / headDim);
            inverse[f] = switch (kind) {
                case DEFAULT -> plain;
                case LINEAR -> plain / (float) factor;
                case LLAMA3 -> stretched(plain);
            };
        }
        return inverse;
    }

    private float stretched(float plain) {
        float wavelength = (float) (2 * Math.PI) / plain;
        if (wavelength < originalContext / highFrequencyFactor) {
            return plain;
        }
        float slow = plain / (float) factor;
        if (wavelength > originalContext / lowFrequencyFactor) {
            return slow;
        }
        float smooth = (originalContext / wavelength - (float) lowFrequencyFactor)
                / (float) (highFrequencyFactor - lowFrequencyFactor);
        return (1 - smooth) * plain / (float) factor + smooth * plain;
    }
}
