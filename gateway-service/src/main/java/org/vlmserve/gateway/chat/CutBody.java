package org.vlmserve.gateway.chat;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * A JSON body whose long {@code data:} strings and long texts of base64 are cut out and replaced by short marks, so that a picture is never held as bytes,
 * characters and a string at once. Marks hold a random number of this body's own: nobody can write one. Escapes, as of line breaks and of {@code =}, are resolved
 * within the body's own bytes. A string with a byte beyond ASCII in it is left alone and takes the ordinary way.
 */
final class CutBody {

    private static final int WORTH_CUTTING = 1024;
    private static final byte[] PREFIX = {'d', 'a', 't', 'a', ':'};
    private static final boolean[] BASE64 = base64();

    private final byte[] body;
    private final byte[] json;
    private final String mark = "cut:" + UUID.randomUUID() + ":";
    private final List<Range> ranges = new ArrayList<>();

    private record Range(int from, int to) {}

    /** @param body becomes this object's own; the bytes of strings that are cut out may change */
    CutBody(byte[] body) {
        this.body = body;
        this.json = cut();
    }

    /** The body with marks, still JSON if the body was. */
    byte[] json() {
        return json;
    }

    /** What a mark stands for, or null if this string is not a mark of this body. */
    @Nullable
    ByteBuffer original(String text) {
        if (!text.startsWith(mark)) {
            return null;
        }
        Range range = ranges.get(Integer.parseInt(text.substring(mark.length())));
        return ByteBuffer.wrap(body, range.from(), range.to() - range.from()).slice();
    }

    /** The string as the caller wrote it. */
    String restore(String text) {
        ByteBuffer original = original(text);
        return original == null
                ? text
                : StandardCharsets.US_ASCII.decode(original).toString();
    }

    private static boolean[] base64() {
        boolean[] may = new boolean[128];
        for (char c = 'A'; c <= 'Z'; c++) {
            may[c] = true;
            may[c + ('a' - 'A')] = true;
        }
        for (char c : "0123456789+/-_=".toCharArray()) {
            may[c] = true;
        }
        return may;
    }

    private byte[] cut() {
        ByteArrayOutputStream kept = new ByteArrayOutputStream(Math.min(body.length, 1 << 16));
        int keptUpTo = 0;
        int i = 0;
        while (i < body.length) {
            if (body[i] != '"') {
                i++;
                continue;
            }
            int start = ++i;
            boolean ascii = true;
            boolean escaped = false;
            boolean base64 = true;
            while (i < body.length && body[i] != '"') {
                byte c = body[i];
                if (c == '\\') {
                    escaped = true;
                    i++;
                } else if (c < ' ') {
                    ascii = false;
                } else {
                    base64 &= BASE64[c];
                }
                i++;
            }
            int end = Math.min(i, body.length);
            i++;
            if (ascii
                    && end < body.length
                    && end - start >= WORTH_CUTTING
                    && (base64 || startsWithPrefix(start))
                    && !isName(end)) {
                int cutEnd = escaped ? JsonEscapes.resolve(body, start, end) : end;
                if (cutEnd >= 0) {
                    kept.write(body, keptUpTo, start - keptUpTo);
                    kept.writeBytes((mark + ranges.size()).getBytes(StandardCharsets.US_ASCII));
                    ranges.add(new Range(start, cutEnd));
                    keptUpTo = end;
                }
            }
        }
        if (ranges.isEmpty()) {
            return body;
        }
        kept.write(body, keptUpTo, body.length - keptUpTo);
        return kept.toByteArray();
    }

    /** Whether the string that ends here is a field's name. */
    private boolean isName(int end) {
        int next = end + 1;
        while (next < body.length && (body[next] == ' ' || (body[next] >= '\t' && body[next] <= '\r'))) {
            next++;
        }
        return next < body.length && body[next] == ':';
    }

    private boolean startsWithPrefix(int start) {
        for (int k = 0; k < PREFIX.length; k++) {
            int lower = body[start + k] >= 'A' && body[start + k] <= 'Z' ? body[start + k] + 32 : body[start + k];
            if (lower != PREFIX[k]) {
                return false;
            }
        }
        return true;
    }
}
