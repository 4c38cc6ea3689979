package org.vlmserve.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class PictureKeyTest {

    private static final ModelRef MODEL = new ModelRef("m", "0123456789ab");
    private static final PictureFiles BYTES = still(1, 2, 3);

    private static PictureFiles still(int... bytes) {
        return PictureFiles.still(bytes(bytes));
    }

    private static byte[] bytes(int... values) {
        byte[] bytes = new byte[values.length];
        for (int i = 0; i < values.length; i++) {
            bytes[i] = (byte) values[i];
        }
        return bytes;
    }

    @Test
    void dependsOnEverythingThatMakesThePictureWhatTheModelSees() {
        PictureKey key = PictureKey.of("acme", MODEL, PixelLimits.NONE, BYTES);
        assertThat(key).isEqualTo(PictureKey.of("acme", MODEL, PixelLimits.NONE, still(1, 2, 3)));
        assertThat(Set.of(
                        key,
                        PictureKey.of("other", MODEL, PixelLimits.NONE, BYTES),
                        PictureKey.of("acme", new ModelRef("n", "0123456789ab"), PixelLimits.NONE, BYTES),
                        PictureKey.of("acme", new ModelRef("m", "0123456789ac"), PixelLimits.NONE, BYTES),
                        PictureKey.of("acme", MODEL, new PixelLimits(null, 5L), BYTES),
                        PictureKey.of("acme", MODEL, new PixelLimits(5L, null), BYTES),
                        PictureKey.of("acme", MODEL, PixelLimits.NONE, still(1, 2)),
                        PictureKey.of("acme", MODEL, PixelLimits.NONE, BYTES.rendered(Rendering.REFERENCE)),
                        PictureKey.of("acme", MODEL, PixelLimits.NONE, video(bytes(1, 2, 3))),
                        PictureKey.of("acme", MODEL, PixelLimits.NONE, video(bytes(1), bytes(2, 3))),
                        PictureKey.of("acme", MODEL, PixelLimits.NONE, video(bytes(1, 2), bytes(3))),
                        PictureKey.of("acme", MODEL, PixelLimits.NONE, sampled(new FrameSampling(2.0, null))),
                        PictureKey.of("acme", MODEL, PixelLimits.NONE, sampled(new FrameSampling(4.0, null))),
                        PictureKey.of("acme", MODEL, PixelLimits.NONE, sampled(new FrameSampling(null, 4)))))
                .hasSize(14);
    }

    private static PictureFiles video(byte[]... files) {
        return new PictureFiles(Medium.VIDEO, List.of(files));
    }

    private static PictureFiles sampled(FrameSampling sampling) {
        return new PictureFiles(Medium.VIDEO, List.of(bytes(1, 2, 3)), sampling);
    }

    @Test
    void aPictureIsOneFile() {
        assertThatThrownBy(() -> new PictureFiles(Medium.PICTURE, List.of(bytes(1), bytes(2))))
                .hasMessageContaining("2 files, expected one");
        assertThatThrownBy(() -> new PictureFiles(Medium.VIDEO, List.of())).hasMessageContaining("at least one");
    }

    @Test
    void noTenantsNameCanImitateAnothersPicture() {
        // What would collide if the parts were only joined by a separator.
        String suffix = "\0m\0000123456789ab\0null/null\0picture\0null/null\0viewer\0";
        byte[] content = (suffix + "x").getBytes(StandardCharsets.UTF_8);
        PictureKey honest = PictureKey.of("a", MODEL, PixelLimits.NONE, PictureFiles.still(content));
        PictureKey forged =
                PictureKey.of("a" + suffix.substring(0, suffix.length() - 1), MODEL, PixelLimits.NONE, still('x'));
        assertThat(forged).isNotEqualTo(honest);
    }

    @Test
    void isSixtyFourHexadecimalDigits() {
        assertThat(PictureKey.of("t", MODEL, PixelLimits.NONE, BYTES).hex()).matches("[0-9a-f]{64}");
        assertThatThrownBy(() -> new PictureKey("ab")).hasMessageContaining("expected 64");
        assertThatThrownBy(() -> new PictureKey("G".repeat(64))).hasMessageContaining("hexadecimal");
    }
}
