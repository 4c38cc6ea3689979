package org.vlmserve.families.position;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class MropePositionsTest {

    @Test
    void aPictureOfTwoByTwo() {
        MropePositions positions = new MropePositions();
        positions.picture(1, 2, 2);
        positions.text(1);
        assertThat(positions.positions())
                .isDeepEqualTo(new long[][] {{0, 0, 0, 0, 2}, {0, 0, 1, 1, 2}, {0, 1, 0, 1, 2}});
        assertThat(positions.nextPosition()).isEqualTo(3);
    }

    @Test
    void textAloneIsPlainRope() {
        MropePositions positions = new MropePositions();
        positions.text(1000);
        long[][] channels = positions.positions();
        assertThat(channels[1]).isEqualTo(channels[0]);
        assertThat(channels[2]).isEqualTo(channels[0]);
        assertThat(channels[0][999]).isEqualTo(999);
        assertThat(positions.nextPosition()).isEqualTo(1000);
    }

    @Test
    void textGoesOnAfterTheLongerSide() {
        MropePositions positions = new MropePositions();
        positions.text(3);
        positions.picture(1, 1, 7);
        positions.text(1);
        positions.picture(1, 5, 2);
        positions.text(1);
        long[][] channels = positions.positions();
        assertThat(channels[0][3 + 7]).isEqualTo(3 + 7);
        assertThat(channels[1][3 + 7 + 1 + 10]).isEqualTo(11 + 5);
    }

    @Test
    void timeDoesNotCountForTheNextText() {
        MropePositions positions = new MropePositions();
        positions.picture(6, 2, 2);
        positions.text(1);
        long[][] channels = positions.positions();
        assertThat(channels[0][23]).isEqualTo(5);
        assertThat(channels[0][24]).isEqualTo(2);
        assertThat(positions.nextPosition()).isEqualTo(6);
    }
}
