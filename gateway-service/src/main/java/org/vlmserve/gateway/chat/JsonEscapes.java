package org.vlmserve.gateway.chat;

/** Escapes in the bytes of a JSON string (RFC 8259, section 7). */
final class JsonEscapes {

    private JsonEscapes() {}

    /**
     * Resolves all escapes of a string in ASCII, in place: what an escape stands for is shorter.
     *
     * @param from index of the string's first byte
     * @param to index after its last
     * @return the index after the resolved string's last byte; negative, and nothing changed, if an escape is malformed or stands for a character beyond ASCII
     */
    static int resolve(byte[] bytes, int from, int to) {
        for (int at = from; at < to; at++) {
            if (bytes[at] == '\\') {
                if (meaning(bytes, at, to) < 0) {
                    return -1;
                }
                at += length(bytes, at) - 1;
            }
        }
        int written = from;
        for (int at = from; at < to; at++) {
            if (bytes[at] == '\\') {
                byte meaning = (byte) meaning(bytes, at, to);
                at += length(bytes, at) - 1;
                bytes[written++] = meaning;
            } else {
                bytes[written++] = bytes[at];
            }
        }
        return written;
    }

    private static int length(byte[] bytes, int at) {
        return bytes[at + 1] == 'u' ? 6 : 2;
    }

    private static int meaning(byte[] bytes, int at, int to) {
        if (at + 1 >= to) {
            return -1;
        }
        return switch (bytes[at + 1]) {
            case '"', '\\', '/' -> bytes[at + 1];
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case 'u' -> {
                if (at + 6 > to) {
                    yield -1;
                }
                int value = 0;
                for (int i = at + 2; i < at + 6; i++) {
                    int digit = Character.digit(bytes[i], 16);
                    if (digit < 0) {
                        yield -1;
                    }
                    value = value << 4 | digit;
                }
                yield value < 0x80 ? value : -1;
            }
            default -> -1;
        };
    }
}
