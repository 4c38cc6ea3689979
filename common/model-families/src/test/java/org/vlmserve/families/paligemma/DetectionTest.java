package org.vlmserve.families.paligemma;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.Region;

class DetectionTest {

    @Test
    void locationsAreTopLeftBottomRight() {
        assertThat(Detection.read("<loc0100><loc0200><loc0300><loc0400> cat"))
                .containsExactly(new Detection("cat", 100, 200, 300, 400));
    }

    @Test
    void objectsAreDividedBySemicolons() {
        assertThat(Detection.read(
                        "<loc0000><loc0000><loc1023><loc1023> red circle ; <loc0001><loc0002><loc0003><loc0004> blue"))
                .containsExactly(new Detection("red circle", 0, 0, 1023, 1023), new Detection("blue", 1, 2, 3, 4));
    }

    @Test
    void aLabelMayHoldAnythingButTheNextObject() {
        assertThat(
                        Detection.read(
                                "<loc0001><loc0002><loc0003><loc0004> a dog, 2 m high – groß<loc0005><loc0006><loc0007><loc0008>"))
                .containsExactly(new Detection("a dog, 2 m high – groß", 1, 2, 3, 4), new Detection("", 5, 6, 7, 8));
    }

    @Test
    void segmentsBelongToTheObjectBeforeThem() {
        String segments = "<seg000><seg127>".repeat(8);
        assertThat(Detection.read("<loc0010><loc0020><loc0030><loc0040>" + segments
                        + " car ; <loc0001><loc0002><loc0003><loc0004>" + segments + " road"))
                .containsExactly(new Detection("car", 10, 20, 30, 40), new Detection("road", 1, 2, 3, 4));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "a cat on a chair",
                "<loc0001><loc0002><loc0003> three are no box",
                "<loc0001> <loc0002><loc0003><loc0004> they stand together",
                "<loc1><loc2><loc3><loc4> four digits each",
                "<loc0001><loc0002><loc0003><loc1024> beyond the side",
                "<loc0300><loc0002><loc0100><loc0004> ends above its top",
                "<loc0001><loc0400><loc0003><loc0200> ends left of its start",
                "<seg001><seg002> alone"
            })
    void whatIsNoBoxIsLeftOut(String answer) {
        assertThat(Detection.read(answer)).isEmpty();
    }

    @Test
    void textBetweenObjectsDoesNotHideThem() {
        assertThat(Detection.read("I see <loc0001><loc0002><loc0003><loc0004> cup ; nothing else"))
                .hasSize(1);
    }

    /** The square that the model sees is the picture, stretched: each axis by its own side. */
    @Test
    void pixelsAreThoseOfTheOriginalPicture() {
        assertThat(new Detection("cat", 512, 256, 1023, 768).in(PictureSource.still(300, 200)))
                .isEqualTo(new Region("cat", 0, 75, 100, 225, 199.8046875));
        assertThat(new Detection("", 0, 0, 1, 1).in(PictureSource.still(1, 1)))
                .isEqualTo(new Region("", 0, 0, 0, 1 / 1024.0, 1 / 1024.0));
    }
}
