package org.vlmserve.families.prompt;

/**
 * Decodes UTF-8 that comes in pieces. Each maximal piece of an invalid sequence becomes one U+FFFD, as Rust's
 * {@code from_utf8_lossy} does, in which the reference decodes; the JDK's decoder differs for surrogates. The last bytes of
 * a sequence that may still become a character are held back.
 */
final class Utf8Stream {

    private static final char REPLACEMENT = '\ufffd';

    private int needed;
    private int character;
    private int lower = 0x80;
    private int upper = 0xbf;

    /** Adds what these bytes complete to {@code out}. */
    void decode(byte[] bytes, StringBuilder out) {
        for (byte signed : bytes) {
            int b = signed & 0xff;
            if (needed > 0 && b >= lower && b <= upper) {
                lower = 0x80;
                upper = 0xbf;
                character = character << 6 | b & 0x3f;
                if (--needed == 0) {
                    out.appendCodePoint(character);
                }
                continue;
            }
            finish(out);
            start(b, out);
        }
    }

    private void start(int b, StringBuilder out) {
        if (b < 0x80) {
            out.append((char) b);
        } else if (b >= 0xc2 && b <= 0xdf) {
            expect(1, b & 0x1f, 0x80, 0xbf);
        } else if (b >= 0xe0 && b <= 0xef) {
            // Overlong forms and surrogates show in the second byte.
            expect(2, b & 0x0f, b == 0xe0 ? 0xa0 : 0x80, b == 0xed ? 0x9f : 0xbf);
        } else if (b >= 0xf0 && b <= 0xf4) {
            expect(3, b & 0x07, b == 0xf0 ? 0x90 : 0x80, b == 0xf4 ? 0x8f : 0xbf);
        } else {
            out.append(REPLACEMENT);
        }
    }

    private void expect(int more, int bits, int lowest, int highest) {
        needed = more;
        character = bits;
        lower = lowest;
        upper = highest;
    }

    /** Ends an unfinished sequence. */
    void finish(StringBuilder out) {
        if (needed > 0) {
            out.append(REPLACEMENT);
            expect(0, 0, 0x80, 0xbf);
        }
    }
}
