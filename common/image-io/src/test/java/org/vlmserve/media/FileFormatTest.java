package org.vlmserve.media;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

class FileFormatTest {

    private static byte[] latin(String text) {
        return text.translateEscapes().getBytes(StandardCharsets.ISO_8859_1);
    }

    @ParameterizedTest
    @CsvSource(
            quoteCharacter = '"',
            delimiter = ';',
            value = {
                "\\377\\330\\377\\340; JPEG",
                "\\211PNG\\r\\n\\032\\n; PNG",
                "GIF87a...; GIF",
                "GIF89a...; GIF",
                "RIFF\\0\\0\\0\\0WEBPVP8 ; WEBP",
                "II*\\0\\010\\0\\0\\0; TIFF",
                "MM\\0*\\0\\0\\0\\010; TIFF",
                "BM......\\0\\0\\066\\0\\0\\0\\050\\0\\0\\0; BMP",
                "BM......\\0\\0\\066\\0\\0\\0\\014\\0\\0\\0; BMP",
                "BMW is a car maker of some standing; TEXT",
                "\\0\\0\\0\\030ftypisom\\0\\0\\2\\0isomiso2; MP4",
                "\\0\\0\\0\\030ftypmp42\\0\\0\\2\\0mp42avif; MP4",
                "\\0\\0\\0\\024ftypqt  \\0\\0\\0\\0qt  ; MP4",
                "\\0\\0\\0\\010wide\\0\\0\\0\\010mdat; MP4",
                "\\032E\\337\\243\\237B; WEBM",
                "\\0\\0\\0\\034ftypavif\\0\\0\\0\\0avifmif1miaf; AVIF",
                "\\0\\0\\0\\034ftypmif1\\0\\0\\0\\0mif1avifmiaf; AVIF",
                "\\0\\0\\0\\034ftypavis\\0\\0\\0\\0avismsf1miaf; AVIF",
                "\\0\\0\\0\\030ftypheic\\0\\0\\0\\0mif1heic; HEIC",
                "\\0\\0\\0\\030ftypmif1\\0\\0\\0\\0mif1heic; HEIC",
                "\\0\\0\\0\\030ftypmsf1\\0\\0\\0\\0msf1hevc; HEIC",
                "\\0\\0\\0\\030ftypcrx \\0\\0\\0\\1crx isom; CAMERA_RAW",
                "\\377\\n\\372; JPEG_XL",
                "\\0\\0\\0\\014JXL \\r\\n\\207\\n; JPEG_XL",
                "\\0\\0\\0\\014jP  \\r\\n\\207\\n; JPEG_2000",
                "II+\\0\\010\\0\\0\\0; BIG_TIFF",
                "II*\\0\\020\\0\\0\\0CR\\2\\0; CAMERA_RAW",
                "IIU\\0\\010\\0\\0\\0; CAMERA_RAW",
                "FUJIFILMCCD-RAW 0201; CAMERA_RAW",
                "\\0\\0\\1\\0\\1\\0; ICO",
                "8BPS\\0\\1; PSD",
                "%!PS-Adobe-3.0 EPSF-3.0; EPS",
                "%PDF-1.7; PDF",
                "\\n\\n%PDF-1.4; PDF",
                "<svg xmlns='http://www.w3.org/2000/svg'/>; SVG",
                "<?xml version='1.0'?><svg/>; SVG",
                "  <html><body>; HTML",
                "<!DOCTYPE html><title>404</title>; HTML",
                "<?xml version='1.0'?><Error/>; XML",
                "{\"error\": 1}; JSON",
                "Access denied; TEXT",
                "GI; TEXT",
                "RIFF\\0\\0\\0\\0AVI LIST; AVI",
                "RIFF\\0\\0\\0\\0WAVEfmt ; UNKNOWN",
                "FLV\\1\\5; FLASH_VIDEO",
                "OggS\\0; OGG",
                "\\0\\0\\1\\272\\0; MPEG",
                "PK\\3\\4\\0\\0; ZIP",
                "\\037\\213\\010; GZIP",
                "\\1\\2\\3\\4\\5\\6\\7\\010; UNKNOWN",
            })
    void filesAreToldByTheirContent(String content, FileFormat expected) {
        assertThat(FileFormat.of(latin(content))).isEqualTo(expected);
    }

    @Test
    void aRawFileThatCallsItselfTiffIsNone() {
        assertThat(FileFormat.of(tiff(256, 50706))).isEqualTo(FileFormat.CAMERA_RAW);
        assertThat(FileFormat.of(tiff(254, 271, 330))).isEqualTo(FileFormat.CAMERA_RAW);
        assertThat(FileFormat.of(tiff(256, 271))).isEqualTo(FileFormat.TIFF);
        assertThat(FileFormat.of(tiff(254, 330))).isEqualTo(FileFormat.TIFF);
    }

    /** A directory of these tags, each with the value 1. */
    private static byte[] tiff(int... tags) {
        ByteBuffer file = ByteBuffer.allocate(10 + 12 * tags.length + 4).order(ByteOrder.LITTLE_ENDIAN);
        file.put((byte) 'I').put((byte) 'I').putShort((short) 42).putInt(8).putShort((short) tags.length);
        for (int tag : tags) {
            file.putShort((short) tag).putShort((short) 4).putInt(1).putInt(1);
        }
        return file.array();
    }

    @Test
    void noPrefixOfAFileFailsToBeTold() {
        byte[] file = tiff(254, 271, 330, 50706);
        for (int length = 0; length <= file.length; length++) {
            assertThat(FileFormat.of(Arrays.copyOf(file, length))).isNotNull();
        }
    }

    @Test
    void whatIsNoPictureIsRefusedByItsName() {
        assertThat(picture(latin("\\0\\0\\0\\030ftypheic\\0\\0\\0\\0mif1heic")))
                .hasMessageContaining("is HEIC")
                .hasMessageContaining("BMP")
                .hasMessageContaining("save it as");
        assertThat(picture(latin("%PDF-1.7"))).hasMessageContaining("is PDF");
        assertThat(picture(latin("<html>"))).hasMessageContaining("is HTML");
        assertThat(picture(latin("\\0\\0\\0\\030ftypisom")))
                .hasMessageContaining("is MP4")
                .hasMessageContaining("video_url");
        assertThat(FileFormat.requirePicture(latin("GIF89a"), "p")).isEqualTo(FileFormat.GIF);
    }

    private static VlmException picture(byte[] content) {
        VlmException error =
                catchThrowableOfType(VlmException.class, () -> FileFormat.requirePicture(content, "messages[0]"));
        assertThat(error.code()).isEqualTo(ErrorCode.PICTURE_TYPE_UNSUPPORTED);
        assertThat(error.param()).isEqualTo("messages[0]");
        return error;
    }

    @Test
    void aVideoIsAFileOrAFrameAndAmongFramesThereIsNoFile() {
        byte[] file = latin("\\0\\0\\0\\030ftypisom");
        assertThat(FileFormat.requireVideo(file, false, "p")).isEqualTo(FileFormat.MP4);
        assertThat(FileFormat.requireVideo(latin("\\377\\330\\377"), false, "p"))
                .isEqualTo(FileFormat.JPEG);
        assertThat(FileFormat.requireVideo(latin("\\377\\330\\377"), true, "p")).isEqualTo(FileFormat.JPEG);
        assertThat(video(file, true)).isEqualTo(ErrorCode.PICTURE_TYPE_UNSUPPORTED);
        assertThat(video(latin("GIF89a..."), false)).isEqualTo(ErrorCode.PICTURE_TYPE_UNSUPPORTED);
        assertThat(video(latin("GIF89a..."), true)).isEqualTo(ErrorCode.PICTURE_TYPE_UNSUPPORTED);
        assertThat(video(latin("a text"), false)).isEqualTo(ErrorCode.PICTURE_TYPE_UNSUPPORTED);
        assertThat(video(new byte[0], false)).isEqualTo(ErrorCode.PICTURE_UNREADABLE);
    }

    private static ErrorCode video(byte[] content, boolean several) {
        VlmException error =
                catchThrowableOfType(VlmException.class, () -> FileFormat.requireVideo(content, several, "p"));
        assertThat(error.param()).isEqualTo("p");
        return error.code();
    }
}
