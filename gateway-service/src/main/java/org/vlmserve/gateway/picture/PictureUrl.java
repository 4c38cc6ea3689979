package org.vlmserve.gateway.picture;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** Where a caller's picture or video is. */
public sealed interface PictureUrl {

    /** The request field that named it. */
    String param();

    /** @param url an http or https URL, not yet checked */
    record Remote(String url, String param) implements PictureUrl {}

    /** So short a text is no picture; the least GIF takes as much. */
    int SHORTEST_BASE64 = 44;

    /**
     * What a text stands for: a {@code data:} URL, base64 alone, or else a URL that is still to be checked. Space around it does not count, as in browsers.
     */
    static PictureUrl of(String text, String param) {
        String url = text.strip();
        ByteBuffer bytes = ByteBuffer.wrap(url.getBytes(StandardCharsets.UTF_8));
        return isInline(bytes) ? new Inline(bytes, param) : new Remote(url, param);
    }

    /** The same for a text in ASCII, from position to limit, which is not copied if it holds its content. */
    static PictureUrl of(ByteBuffer text, String param) {
        ByteBuffer url = stripped(text);
        return isInline(url)
                ? new Inline(url, param)
                : of(StandardCharsets.US_ASCII.decode(url).toString(), param);
    }

    private static ByteBuffer stripped(ByteBuffer text) {
        ByteBuffer rest = text.duplicate();
        while (rest.hasRemaining() && rest.get(rest.position()) <= ' ' && rest.get(rest.position()) >= 0) {
            rest.position(rest.position() + 1);
        }
        while (rest.hasRemaining() && rest.get(rest.limit() - 1) <= ' ' && rest.get(rest.limit() - 1) >= 0) {
            rest.limit(rest.limit() - 1);
        }
        return rest;
    }

    private static boolean isInline(ByteBuffer url) {
        return Inline.isDataUrl(url) || (url.remaining() >= SHORTEST_BASE64 && Base64Text.mayBe(url));
    }

    /** Content that came with the request. It is decoded once, and lets go of its text then: a body is much larger than its other texts. */
    final class Inline implements PictureUrl {

        private static final int LONGEST_HEADER = 1024;

        private @Nullable ByteBuffer text;
        private final String param;

        /** @param text a whole {@code data:} URL, or base64 alone; from position to limit, never changed */
        Inline(ByteBuffer text, String param) {
            this.text = text;
            this.param = param;
        }

        @Override
        public String param() {
            return param;
        }

        private ByteBuffer take() {
            ByteBuffer taken = text;
            if (taken == null) {
                throw new IllegalStateException("the content of " + param + " was decoded before");
            }
            text = null;
            return taken;
        }

        private static boolean isDataUrl(ByteBuffer url) {
            String prefix = "data:";
            if (url.remaining() < prefix.length()) {
                return false;
            }
            for (int i = 0; i < prefix.length(); i++) {
                if (Character.toLowerCase((char) url.get(url.position() + i)) != prefix.charAt(i)) {
                    return false;
                }
            }
            return true;
        }

        /**
         * Decodes {@code data:[type][;name=value];base64,…}, {@code data:[type],…} with percent-encoded bytes, or base64 alone. The declared type is of no interest.
         *
         * @param reserve told of the content's size before it is made; may refuse by throwing
         * @throws VlmException {@code INVALID_REQUEST}, {@code PICTURE_TOO_LARGE}, and what {@code reserve} throws
         */
        public byte[] decode(long maxBytes, LongConsumer reserve) {
            Content content = content();
            return decode(content, content.text(), maxBytes, reserve);
        }

        /**
         * Decodes a video: as {@link #decode} does, or its frames as {@code data:video/jpeg;base64,…,…,…}, each of which is a
         * picture file.
         *
         * @param maxBytes of all frames together
         * @return one file, or the frames in the order of time
         */
        public List<byte[]> decodeVideo(long maxBytes, LongConsumer reserve) {
            Content content = content();
            ByteBuffer rest = content.text();
            if (!content.base64()) {
                return List.of(decode(content, rest, maxBytes, reserve));
            }
            List<byte[]> files = new ArrayList<>();
            long left = maxBytes;
            int from = rest.position();
            for (int i = from; i <= rest.limit(); i++) {
                if (i == rest.limit() || rest.get(i) == ',') {
                    byte[] file = decode(content, rest.slice(from, i - from), left, reserve);
                    left -= file.length;
                    files.add(file);
                    from = i + 1;
                }
            }
            return files;
        }

        /** @param text what stands for the bytes, in base64 or percent-encoded */
        private record Content(ByteBuffer text, boolean base64) {}

        private Content content() {
            ByteBuffer rest = take().duplicate();
            if (!isDataUrl(rest)) {
                return new Content(rest, true);
            }
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
            String parameters =
                    new String(header, StandardCharsets.ISO_8859_1).strip().toLowerCase(Locale.ROOT);
            return new Content(
                    rest,
                    parameters
                                    .substring(parameters.lastIndexOf(';') + 1)
                                    .strip()
                                    .equals("base64")
                            && parameters.contains(";"));
        }

        private byte[] decode(Content content, ByteBuffer part, long maxBytes, LongConsumer reserve) {
            LongConsumer bounded = size -> {
                if (size > maxBytes) {
                    throw tooLarge(size, maxBytes, param);
                }
                reserve.accept(size);
            };
            try {
                return content.base64() ? Base64Text.decode(part, bounded) : percentDecode(part, bounded);
            } catch (IllegalArgumentException e) {
                String what = content.base64() ? "bad base64" : "bad percent-encoding";
                throw invalid("the content is " + what + ": " + e.getMessage(), e);
            }
        }

        private static byte[] percentDecode(ByteBuffer part, LongConsumer reserve) {
            int size = part.remaining();
            for (int at = part.position(); at < part.limit(); at++) {
                if (part.get(at) == '%') {
                    size -= 2;
                }
            }
            reserve.accept(Math.max(0, size));
            byte[] content = new byte[Math.max(0, size)];
            int written = 0;
            for (int at = part.position(); at < part.limit(); at++) {
                int c = part.get(at);
                if (c == '%') {
                    c = Base64Text.percentEncoded(part, at);
                    at += 2;
                }
                content[written++] = (byte) c;
            }
            return content;
        }

        private VlmException invalid(String what, @Nullable Exception cause) {
            return new VlmException(
                    ErrorCode.INVALID_REQUEST,
                    what + "; expected data:<type>;base64,<content>, or base64 alone",
                    param,
                    cause);
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
