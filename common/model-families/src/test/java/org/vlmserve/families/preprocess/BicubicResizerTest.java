package org.vlmserve.families.preprocess;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.testing.Goldens;
import org.vlmserve.testing.NpyArray;

class BicubicResizerTest {

    private static final Goldens GOLDENS = Goldens.find();

    static List<Goldens.Resizing> resizings() {
        return GOLDENS.resizings();
    }

    @ParameterizedTest
    @MethodSource("resizings")
    void isPillowsToTheLastBit(Goldens.Resizing golden) {
        NpyArray input = GOLDENS.array("pixels/resize/" + golden.input());
        NpyArray expected = GOLDENS.array("pixels/resize/" + golden.expected());
        RgbPicture resized = BicubicResizer.resize(
                new RgbPicture(input.shape()[1], input.shape()[0], input.bytes()), golden.width(), golden.height());
        assertThat(resized.pixels()).isEqualTo(expected.bytes());
    }
}
