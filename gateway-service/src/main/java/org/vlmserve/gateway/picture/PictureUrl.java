package org.vlmserve.gateway.picture;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Locale;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** Where a caller's picture is. */
public sealed interface PictureUrl {

    /** The request field that named it. */
    String param();

    /** @param url an http or https URL, not yet checked */
    record Remote(String url, String param) implements PictureUrl {}

    /** @param url a whole {@code data:} URL in ASCII, from position to limit */
    record Inline(ByteBuffer url, String param) implements PictureUrl {

        private static final int LONGEST_HEADER = 256;

        /**
         * Decodes {@code data:[type][;name=value];base64,…}; the declared type is of no interest.
         *
         * @throws VlmException {@code INVALID_REQUEST}, {@code PICTURE_TOO_LARGE}
         */
        public byte[] decode(long maxBytes) {
            ByteBuffer rest = url.duplicate();
            int comma = -1;
            for (int i = rest.position(); i < Math.min(rest.limit(), rest.position() + LONGEST_HEADER); i++) {
                if (rest.get(i) == ',') {
                    comma = i;
                    break;
                }
            }
            if (comma < 0) {
                throw invalid("the data: URL has no comma among its first " + LONGEST_HEADER + " characters", null);
            }
            byte[] header = new byte[comma - rest.position()];
            rest.get(header);
            rest.get();
            if (!new String(header, StandardCharsets.ISO_8859_1)
                    .toLowerCase(Locale.ROOT)
                    .endsWith(";base64")) {
                throw invalid("the data: URL is not base64", null);
            }
            long size = rest.remaining() / 4 * 3L;
            if (size > maxBytes + 2) {
                throw tooLarge(size, maxBytes, param);
            }
            byte[] content;
            try {
                ByteBuffer decoded = Base64.getDecoder().decode(rest);
                content = decoded.array();
                if (decoded.remaining() != content.length) {
                    content = new byte[decoded.remaining()];
                    decoded.get(content);
                }
            } catch (IllegalArgumentException e) {
                throw invalid("the data: URL holds bad base64 (" + e.getMessage() + ")", e);
            }
            if (content.length > maxBytes) {
                throw tooLarge(content.length, maxBytes, param);
            }
            return content;
        }

        private VlmException invalid(String what, @org.jspecify.annotations.Nullable Exception cause) {
            return new VlmException(
                    ErrorCode.INVALID_REQUEST, what + "; expected data:image/<type>;base64,<content>", param, cause);
        }
    }

    static VlmException tooLarge(long size, long maxBytes, String param) {
        return new VlmException(
                ErrorCode.PICTURE_TOO_LARGE,
                "the picture has " + size + " bytes or more, at most " + maxBytes + " are taken; send a smaller file",
                param,
                null);
    }
}
