package org.vlmserve.encoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

class PixelBoundsTest {

    private static final PixelLimits OWN = limits(3_136L, 1_000_000L);

    @Test
    void aCallersLimitsTightenTheModels() {
        assertThat(PixelBounds.MODEL.tighten(PixelLimits.NONE, OWN)).isEqualTo(PixelLimits.NONE);
        assertThat(PixelBounds.MODEL.tighten(limits(5_000L, 50_000L), OWN)).isEqualTo(limits(5_000L, 50_000L));
    }

    @Test
    void theyDoNotWidenThem() {
        assertThat(PixelBounds.MODEL.tighten(limits(1L, 20_000_000L), OWN)).isEqualTo(limits(3_136L, 1_000_000L));
        assertThatThrownBy(() -> PixelBounds.MODEL.tighten(limits(20_000_000L, null), OWN))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.PIXEL_LIMITS_INVALID))
                .hasMessageContaining("min_pixels is 20000000, expected at most 1000000")
                .hasMessageContaining("the model takes");
    }

    @Test
    void anOperatorsLimitHoldsForEveryone() {
        PixelBounds operator = new PixelBounds(200_000L, false);
        assertThat(operator.tighten(PixelLimits.NONE, OWN)).isEqualTo(limits(null, 200_000L));
        assertThat(operator.tighten(limits(null, 300_000L), OWN)).isEqualTo(limits(null, 200_000L));
        assertThat(operator.tighten(limits(null, 100_000L), OWN)).isEqualTo(limits(null, 100_000L));
        assertThatThrownBy(() -> operator.tighten(limits(300_000L, null), OWN))
                .hasMessageContaining("this service takes");
    }

    @Test
    void anOperatorMayLetCallersGoBeyondTheModel() {
        assertThat(new PixelBounds(null, true).tighten(limits(1L, 20_000_000L), OWN))
                .isEqualTo(limits(1L, 20_000_000L));
        assertThat(new PixelBounds(5_000_000L, true).tighten(limits(1L, 20_000_000L), OWN))
                .isEqualTo(limits(1L, 5_000_000L));
    }

    @Test
    void aModelOfOneSizeHasNoLimits() {
        assertThat(PixelBounds.MODEL.tighten(limits(10L, 20L), PixelLimits.NONE))
                .isEqualTo(limits(10L, 20L));
    }

    private static PixelLimits limits(@Nullable Long min, @Nullable Long max) {
        return new PixelLimits(min, max);
    }
}
