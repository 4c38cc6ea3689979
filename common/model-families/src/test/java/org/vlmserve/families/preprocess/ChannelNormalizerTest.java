package org.vlmserve.families.preprocess;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.vlmserve.testing.Goldens;

class ChannelNormalizerTest {

    private static final Goldens GOLDENS = Goldens.find();

    static List<Goldens.Normalizing> settings() {
        return GOLDENS.normalizings();
    }

    @ParameterizedTest
    @MethodSource("settings")
    void everyByteInEveryChannelIsTheReferences(Goldens.Normalizing golden) {
        float[] expected =
                GOLDENS.array("pixels/normalize/" + golden.expected()).floats();
        ChannelNormalizer normalizer =
                new ChannelNormalizer(golden.rescaleFactor(), golden.imageMean(), golden.imageStd());
        for (int value = 0; value < 256; value++) {
            for (int channel = 0; channel < 3; channel++) {
                assertThat(normalizer.table(channel)[value])
                        .as("value %d, channel %d", value, channel)
                        .isEqualTo(expected[value * 3 + channel]);
            }
        }
    }
}
