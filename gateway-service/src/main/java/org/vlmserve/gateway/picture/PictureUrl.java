package org.vlmserve.gateway.picture;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** Where a caller's picture or video is. */
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
            return base64(content(), maxBytes);
        }

        /**
         * Decodes a video: as {@link #decode} does, or its frames as {@code data:video/jpeg;base64,…,…,…}, each of which is a
         * picture file.
         *
         * @param maxBytes of all frames together
         * @return one file, or the frames in the order of time
         */
        public List<byte[]> decodeVideo(long maxBytes) {
            ByteBuffer rest = content();
            List<byte[]> files = new ArrayList<>();
            long left = maxBytes;
            int from = rest.position();
            for (int i = from; i <= rest.limit(); i++) {
                if (i == rest.limit() || rest.get(i) == ',') {
                    byte[] file = base64(rest.slice(from, i - from), left);
                    left -= file.length;
                    files.add(file);
                    from = i + 1;
                }
            }
            return files;
        }

        /** What follows the first comma. */
        private ByteBuffer content() {
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
            return rest;
        }

        private byte[] base64(ByteBuffer rest, long maxBytes) {
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
                    ErrorCode.INVALID_REQUEST, what + "; expected data:<type>;base64,<content>", param, cause);
        }
    }

    static VlmException tooLarge(long size, long maxBytes, String param) {
        return new VlmException(
                ErrorCode.PICTURE_TOO_LARGE,
                "the file has " + size + " bytes or more, at most " + maxBytes + " are taken; send a smaller file",
                param,
                null);
    }
}
