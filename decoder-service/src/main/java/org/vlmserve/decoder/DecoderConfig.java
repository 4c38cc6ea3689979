package org.vlmserve.decoder;

/**
 * How a decoder shares its model among requests.
 *
 * @param slots requests that are answered at once
 * @param prefixSlots further slots that keep finished prompts for follow-up questions; 0 keeps only what idle slots hold
 * @param prefillChunk prompt positions between two decode steps of the others: larger answers a lone prompt sooner,
 *     smaller keeps running answers steady
 * @param contextLength most positions of one request; the model's own limit where that is lower. Each slot takes memory for
 *     all of them
 */
public record DecoderConfig(int slots, int prefixSlots, int prefillChunk, int contextLength) {

    public static final DecoderConfig DEFAULTS = new DecoderConfig(4, 2, 256, 4096);

    public DecoderConfig {
        if (slots < 1 || prefixSlots < 0 || prefillChunk < 1 || contextLength < 3) {
            throw new IllegalArgumentException("decoder with " + slots + " slots, " + prefixSlots
                    + " prefix slots, prefill chunks of " + prefillChunk
                    + " and a context of " + contextLength + "; expected at least 1, 0, 1 and 3");
        }
    }

    /** Slots that a model needs for this. */
    public int modelSlots() {
        return slots + prefixSlots;
    }
}
