package org.vlmserve.gateway.picture;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Base64;
import java.util.function.LongConsumer;

/**
 * Base64 as clients write it (RFC 4648, sections 4 and 5): either alphabet, with or without padding, broken into lines or not, percent-encoded or not. What can
 * only be read in one way is taken; all else is refused.
 */
final class Base64Text {

    private static final byte BAD = -1;
    private static final byte SPACE = -2;
    private static final byte PADDING = -3;
    private static final byte[] VALUES = values();

    private Base64Text() {}

    private static byte[] values() {
        byte[] values = new byte[256];
        Arrays.fill(values, BAD);
        String alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for (int i = 0; i < alphabet.length(); i++) {
            values[alphabet.charAt(i)] = (byte) i;
        }
        values['-'] = values['+'];
        values['_'] = values['/'];
        for (char space : " \t\r\n\f".toCharArray()) {
            values[space] = SPACE;
        }
        values['='] = PADDING;
        return values;
    }

    /** Whether each character may stand in base64, of either alphabet and percent-encoded or not. */
    static boolean mayBe(ByteBuffer text) {
        for (int at = text.position(); at < text.limit(); at++) {
            if (VALUES[text.get(at) & 0xFF] == BAD && text.get(at) != '%') {
                return false;
            }
        }
        return true;
    }

    /**
     * Decodes from position to limit.
     *
     * @param reserve told of the size in bytes before anything of that size is made; may refuse by throwing
     * @throws IllegalArgumentException for what is not base64
     */
    static byte[] decode(ByteBuffer text, LongConsumer reserve) {
        int digits = 0;
        int padding = 0;
        boolean strict = true;
        for (int at = text.position(); at < text.limit(); at++) {
            int c = text.get(at) & 0xFF;
            if (c == '%') {
                c = percentEncoded(text, at);
                at += 2;
                strict = false;
            }
            byte value = VALUES[c];
            if (value >= 0) {
                if (padding > 0) {
                    throw new IllegalArgumentException("it goes on after its padding");
                }
                digits++;
                strict &= c != '-' && c != '_';
            } else if (value == SPACE) {
                strict = false;
            } else if (value == PADDING) {
                padding++;
            } else {
                throw new IllegalArgumentException("character " + (at - text.position()) + " is not of its alphabet");
            }
        }
        if (digits % 4 == 1 || padding > 2) {
            throw new IllegalArgumentException("it is cut off: " + digits + " digits and " + padding + " of padding");
        }
        int size = (int) (digits * 6L / 8);
        reserve.accept(size);
        if (strict && text.hasArray() && (padding == 0 || (digits + padding) % 4 == 0)) {
            ByteBuffer decoded = Base64.getDecoder().decode(text.duplicate());
            byte[] all = decoded.array();
            return all.length == size ? all : Arrays.copyOf(all, size);
        }
        byte[] content = new byte[size];
        int bits = 0;
        int pending = 0;
        int written = 0;
        for (int at = text.position(); at < text.limit(); at++) {
            int c = text.get(at) & 0xFF;
            if (c == '%') {
                c = percentEncoded(text, at);
                at += 2;
            }
            byte value = VALUES[c];
            if (value >= 0) {
                bits = bits << 6 | value;
                pending += 6;
                if (pending >= 8) {
                    pending -= 8;
                    content[written++] = (byte) (bits >> pending);
                }
            }
        }
        return content;
    }

    /** The byte that {@code %xx} at this index stands for. */
    static int percentEncoded(ByteBuffer text, int at) {
        if (at + 2 >= text.limit()) {
            throw new IllegalArgumentException("it ends within a percent-encoded character");
        }
        int high = Character.digit(text.get(at + 1), 16);
        int low = Character.digit(text.get(at + 2), 16);
        if (high < 0 || low < 0) {
            throw new IllegalArgumentException(
                    "character " + (at - text.position()) + " is a percent sign without two hexadecimal digits");
        }
        return high << 4 | low;
    }
}
