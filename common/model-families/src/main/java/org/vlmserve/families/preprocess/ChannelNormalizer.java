package org.vlmserve.families.preprocess;

import java.util.List;

/**
 * From a byte to the number that an encoder takes, in the reference's arithmetic: multiplied in double precision, rounded
 * to float, then mean and deviation in float. A table, as there are only 256 bytes. Follows {@code rescale} and
 * {@code normalize} of transformers' {@code image_transforms.py}, 5.18.
 */
public final class ChannelNormalizer {

    private final float[][] tables;

    /**
     * @param mean one for each channel
     * @param std one for each channel
     */
    public ChannelNormalizer(double rescaleFactor, List<Double> mean, List<Double> std) {
        tables = new float[mean.size()][256];
        for (int channel = 0; channel < mean.size(); channel++) {
            float m = mean.get(channel).floatValue();
            float s = std.get(channel).floatValue();
            for (int value = 0; value < 256; value++) {
                tables[channel][value] = ((float) (value * rescaleFactor) - m) / s;
            }
        }
    }

    /** [256], what each byte becomes in this channel; not to be changed. */
    public float[] table(int channel) {
        return tables[channel];
    }
}
