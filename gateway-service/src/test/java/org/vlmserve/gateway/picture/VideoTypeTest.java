package org.vlmserve.gateway.picture;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.vlmserve.gateway.Pictures;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

class VideoTypeTest {

    private static byte[] bytes(String latin1) {
        return latin1.getBytes(StandardCharsets.ISO_8859_1);
    }

    @Test
    void typesAreToldByTheirFirstBytes() {
        assertThat(VideoType.sniff(bytes("\0\0\0\030ftypisom"))).isEqualTo(VideoType.MP4);
        assertThat(VideoType.sniff(bytes("\0\0\0\024ftypqt  "))).isEqualTo(VideoType.MP4);
        assertThat(VideoType.sniff(bytes("\u001aE\u00df\u00a3\u009fB"))).isEqualTo(VideoType.WEBM);
        assertThat(VideoType.sniff(bytes("RIFF\0\0\0\0AVI LIST"))).isNull();
        assertThat(VideoType.sniff(bytes("fty"))).isNull();
        assertThat(VideoType.sniff(Pictures.png(2, 2))).isNull();
    }

    @Test
    void aVideoIsAFileOrAFrameAndAmongFramesThereIsNoFile() {
        byte[] file = bytes("\0\0\0\030ftypisom");
        VideoType.require(file, false, "p");
        VideoType.require(Pictures.jpeg(2, 2), false, "p");
        VideoType.require(Pictures.png(2, 2), true, "p");
        assertThat(refused(file, true)).isEqualTo(ErrorCode.PICTURE_TYPE_UNSUPPORTED);
        assertThat(refused(bytes("GIF89a..."), false)).isEqualTo(ErrorCode.PICTURE_TYPE_UNSUPPORTED);
        assertThat(refused(bytes("GIF89a..."), true)).isEqualTo(ErrorCode.PICTURE_TYPE_UNSUPPORTED);
        assertThat(refused(bytes("a text"), false)).isEqualTo(ErrorCode.PICTURE_TYPE_UNSUPPORTED);
        assertThat(refused(new byte[0], false)).isEqualTo(ErrorCode.PICTURE_UNREADABLE);
    }

    private static ErrorCode refused(byte[] content, boolean frame) {
        VlmException error = catchThrowableOfType(VlmException.class, () -> VideoType.require(content, frame, "p"));
        assertThat(error.param()).isEqualTo("p");
        return error.code();
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
