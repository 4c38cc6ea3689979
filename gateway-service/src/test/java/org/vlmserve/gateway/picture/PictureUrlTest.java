package org.vlmserve.gateway.picture;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vlmserve.gateway.Pictures;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

class PictureUrlTest {

    private static byte[] decode(String url, long maxBytes) {
        return ((PictureUrl.Inline) PictureUrl.of(url, "p")).decode(maxBytes, size -> {});
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

    @Test
    void decodesBase64AsClientsWriteIt() {
        // Bytes that need each digit in which the two alphabets differ.
        byte[] content = Pictures.pngOfBytes(200);
        for (int i = 100; i < 200; i++) {
            content[i] = (byte) (0xFB + i % 5);
        }
        String base64 = Base64.getEncoder().encodeToString(content);
        assertThat(base64).contains("+", "/", "=");
        String urlSafe = base64.replace('+', '-').replace('/', '_');
        String lines = Base64.getMimeEncoder().encodeToString(content);
        assertThat(lines).contains("\r\n");
        String bare = base64.replace("=", "");
        String percent = base64.replace("+", "%2B").replace("/", "%2f").replace("=", "%3D");
        for (String text : List.of(base64, urlSafe, lines, bare, urlSafe.replace("=", ""), percent, base64 + "\n")) {
            assertThat(decode(text, 10_000)).isEqualTo(content);
            for (String header : List.of(
                    "data:image/png;base64,",
                    "data:;base64,",
                    "data:image/jpg;base64, ",
                    "DATA:IMAGE/PNG;BASE64,",
                    "data:image/jpeg;charset=utf-8;name=x.jpg;base64,",
                    "data: image/png ; base64 ,\n",
                    "  data:image/png;base64,",
                    "data:text/html;base64,")) {
                assertThat(decode(header + text, 10_000)).as(header + text).isEqualTo(content);
            }
        }
    }

    @Test
    void decodesPercentEncodedBytes() {
        byte[] png = Pictures.png(3, 3);
        StringBuilder url = new StringBuilder("data:image/png,");
        for (byte one : png) {
            url.append(one >= 'A' && one <= 'Z' ? String.valueOf((char) one) : String.format("%%%02x", one & 0xFF));
        }
        assertThat(decode(url.toString(), png.length)).isEqualTo(png);
        assertThat(refused(url.toString(), png.length - 1)).isEqualTo(ErrorCode.PICTURE_TOO_LARGE);
        assertThat(decode("data:,abc%21", 100)).isEqualTo("abc!".getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void spaceDoesNotCountAgainstTheLimitAndTheSizeIsToldBeforeItIsMade() {
        String spaced = "data:;base64,"
                + Base64.getEncoder().encodeToString(new byte[99]).replaceAll("(.)", "$1 \n");
        List<Long> told = new ArrayList<>();
        assertThat(((PictureUrl.Inline) PictureUrl.of(spaced, "p")).decode(99, told::add))
                .hasSize(99);
        assertThat(told).containsExactly(99L);
        VlmException tooMuch = new VlmException(ErrorCode.OVERLOADED, "no room");
        assertThat(catchThrowableOfType(
                        VlmException.class,
                        () -> ((PictureUrl.Inline) PictureUrl.of(spaced, "p")).decode(99, size -> {
                            throw tooMuch;
                        })))
                .isSameAs(tooMuch);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "cat.png",
                "/home/me/cat.png",
                "http://h/p",
                "HTTPS://h/p",
                "QUJD",
                "C:\\cat.png",
                "file:///p"
            })
    void whatHoldsNoContentIsAUrlToBeChecked(String url) {
        assertThat(PictureUrl.of(" " + url + "\n", "p")).isEqualTo(new PictureUrl.Remote(url, "p"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "data:image/png;base64",
                "data:image/png,abc%2",
                "data:image/png,abc%zz",
                "data:;base64,QUJ%4",
                "data:;base64,QUJDRA===",
                "data:image/png;base64,@@@@",
                "data:;base64,QUJDR",
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

    private static List<byte[]> decodeVideo(String url, long maxBytes) {
        return ((PictureUrl.Inline) PictureUrl.of(url, "p")).decodeVideo(maxBytes, size -> {});
    }

    @Test
    void framesShareOneLimit() {
        String frame = Base64.getEncoder().encodeToString(new byte[30]);
        String url = "data:video/jpeg;base64," + frame + "," + frame + "," + frame;
        assertThat(decodeVideo(url, 90))
                .hasSize(3)
                .allSatisfy(one -> assertThat(one).hasSize(30));
        VlmException large = catchThrowableOfType(VlmException.class, () -> decodeVideo(url, 89));
        assertThat(large.code()).isEqualTo(ErrorCode.PICTURE_TOO_LARGE);
        assertThat(large.param()).isEqualTo("p");
        String gap = "data:video/jpeg;base64," + frame + ",@";
        assertThat(catchThrowableOfType(VlmException.class, () -> decodeVideo(gap, 90))
                        .code())
                .isEqualTo(ErrorCode.INVALID_REQUEST);
    }
}
