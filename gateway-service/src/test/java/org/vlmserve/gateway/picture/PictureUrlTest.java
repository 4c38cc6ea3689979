package org.vlmserve.gateway.picture;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vlmserve.gateway.Pictures;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

class PictureUrlTest {

    private static byte[] decode(String url, long maxBytes) {
        return new PictureUrl.Inline(ByteBuffer.wrap(url.getBytes(StandardCharsets.UTF_8)), "p").decode(maxBytes);
    }

    private static ErrorCode refused(String url, long maxBytes) {
        VlmException error = catchThrowableOfType(VlmException.class, () -> decode(url, maxBytes));
        assertThat(error.param()).isEqualTo("p");
        return error.code();
    }

    @Test
    void decodesWithAnyDeclaredType() {
        byte[] png = Pictures.png(3, 3);
        String base64 = Pictures.dataUrl(png).substring("data:image/png;base64,".length());

        assertThat(decode("data:image/png;base64," + base64, 10_000)).isEqualTo(png);
        assertThat(decode("data:image/jpeg;charset=x;BASE64," + base64, 10_000)).isEqualTo(png);
        assertThat(decode("data:;base64," + base64, 10_000)).isEqualTo(png);
        assertThat(decode("data:;base64,QQ", 10_000)).containsExactly('A');
        assertThat(decode("data:;base64,QUI", 10_000)).containsExactly('A', 'B');
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "data:image/png;base64",
                "data:image/png,abc",
                "data:image/png;base64,@@@@",
                "data:;base64,QUJDR",
                "data:;base64,QU JD",
                "data:;base64,QQ==QQ==",
                "data:;base64,é"
            })
    void badDataUrlsAreInvalid(String url) {
        assertThat(refused(url, 10_000)).isEqualTo(ErrorCode.INVALID_REQUEST);
    }

    @Test
    void sizeIsLimitedToTheByte() {
        for (int size = 20; size < 24; size++) {
            String url = Pictures.dataUrl(Pictures.pngOfBytes(size));
            assertThat(decode(url, size)).hasSize(size);
            assertThat(refused(url, size - 1)).isEqualTo(ErrorCode.PICTURE_TOO_LARGE);
        }
    }

    @Test
    void framesShareOneLimit() {
        String frame = Base64.getEncoder().encodeToString(new byte[30]);
        PictureUrl.Inline url = new PictureUrl.Inline(
                ByteBuffer.wrap(latin("data:video/jpeg;base64," + frame + "," + frame + "," + frame)), "p");
        assertThat(url.decodeVideo(90))
                .hasSize(3)
                .allSatisfy(one -> assertThat(one).hasSize(30));
        VlmException large = catchThrowableOfType(VlmException.class, () -> url.decodeVideo(89));
        assertThat(large.code()).isEqualTo(ErrorCode.PICTURE_TOO_LARGE);
        assertThat(large.param()).isEqualTo("p");
        PictureUrl.Inline gap =
                new PictureUrl.Inline(ByteBuffer.wrap(latin("data:video/jpeg;base64," + frame + ",@")), "p");
        assertThat(catchThrowableOfType(VlmException.class, () -> gap.decodeVideo(90))
                        .code())
                .isEqualTo(ErrorCode.INVALID_REQUEST);
    }

    private static byte[] latin(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }
}
