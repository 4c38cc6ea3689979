package org.vlmserve.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.Set;
import org.junit.jupiter.api.Test;

class PictureKeyTest {

    private static final ModelRef MODEL = new ModelRef("m", "0123456789ab");
    private static final byte[] BYTES = {1, 2, 3};

    @Test
    void dependsOnEverythingThatMakesThePictureWhatTheModelSees() {
        PictureKey key = PictureKey.of("acme", MODEL, PixelLimits.NONE, BYTES);
        assertThat(key).isEqualTo(PictureKey.of("acme", MODEL, PixelLimits.NONE, BYTES.clone()));
        assertThat(Set.of(
                        key,
                        PictureKey.of("other", MODEL, PixelLimits.NONE, BYTES),
                        PictureKey.of("acme", new ModelRef("n", "0123456789ab"), PixelLimits.NONE, BYTES),
                        PictureKey.of("acme", new ModelRef("m", "0123456789ac"), PixelLimits.NONE, BYTES),
                        PictureKey.of("acme", MODEL, new PixelLimits(null, 5L), BYTES),
                        PictureKey.of("acme", MODEL, new PixelLimits(5L, null), BYTES),
                        PictureKey.of("acme", MODEL, PixelLimits.NONE, new byte[] {1, 2})))
                .hasSize(7);
    }

    @Test
    void noTenantsNameCanImitateAnothersPicture() {
        // What would collide if the parts were only joined by a separator.
        String suffix = "\0m\0000123456789ab\0null/null\0";
        byte[] content = (suffix + "x").getBytes(StandardCharsets.UTF_8);
        PictureKey honest = PictureKey.of("a", MODEL, PixelLimits.NONE, content);
        PictureKey forged = PictureKey.of(
                "a" + suffix.substring(0, suffix.length() - 1), MODEL, PixelLimits.NONE, new byte[] {'x'});
        assertThat(forged).isNotEqualTo(honest);
    }

    @Test
    void isSixtyFourHexadecimalDigits() {
        assertThat(PictureKey.of("t", MODEL, PixelLimits.NONE, BYTES).hex()).matches("[0-9a-f]{64}");
        assertThatThrownBy(() -> new PictureKey("ab")).hasMessageContaining("expected 64");
        assertThatThrownBy(() -> new PictureKey("G".repeat(64))).hasMessageContaining("hexadecimal");
    }
}
