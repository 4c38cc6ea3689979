package org.vlmserve.gateway.picture;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** The picture files that are accepted, told apart by their first bytes and never by what anyone declares. */
public enum PictureType {
    JPEG,
    PNG,
    GIF,
    WEBP,
    TIFF;

    /** The type of this file, or null if it is none of these. */
    public static @Nullable PictureType sniff(byte[] content) {
        if (at(content, 0, 0xFF, 0xD8, 0xFF)) {
            return JPEG;
        }
        if (at(content, 0, 0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n')) {
            return PNG;
        }
        if (at(content, 0, 'G', 'I', 'F', '8') && (at(content, 4, '7', 'a') || at(content, 4, '9', 'a'))) {
            return GIF;
        }
        if (at(content, 0, 'R', 'I', 'F', 'F') && at(content, 8, 'W', 'E', 'B', 'P')) {
            return WEBP;
        }
        if (at(content, 0, 'I', 'I', 42, 0) || at(content, 0, 'M', 'M', 0, 42)) {
            return TIFF;
        }
        return null;
    }

    /** @throws VlmException {@code PICTURE_TYPE_UNSUPPORTED}, or {@code PICTURE_UNREADABLE} for an empty file */
    public static void require(byte[] content, String param) {
        if (content.length == 0) {
            throw new VlmException(ErrorCode.PICTURE_UNREADABLE, "the picture is empty", param, null);
        }
        if (sniff(content) == null) {
            String looksLike = new String(content, 0, Math.min(content.length, 64), StandardCharsets.ISO_8859_1)
                            .stripLeading()
                            .startsWith("<")
                    ? "; the content looks like markup, as of an error page or an SVG"
                    : "";
            throw new VlmException(
                    ErrorCode.PICTURE_TYPE_UNSUPPORTED,
                    "the content is not one of " + Arrays.toString(values()) + looksLike,
                    param,
                    null);
        }
    }

    static boolean at(byte[] content, int offset, int... expected) {
        if (content.length < offset + expected.length) {
            return false;
        }
        for (int i = 0; i < expected.length; i++) {
            if ((content[offset + i] & 0xFF) != expected[i]) {
                return false;
            }
        }
        return true;
    }
}
