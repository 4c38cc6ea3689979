package org.vlmserve.gateway.chat;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * A JSON body whose long {@code data:} strings are cut out and replaced by short marks, so that a picture is never held as
 * bytes, characters and a string at once. Marks hold a random number of this body's own: nobody can write one. A string
 * with an escape or a byte beyond ASCII in it is left alone and takes the ordinary way.
 */
final class CutBody {

    private static final int WORTH_CUTTING = 1024;
    private static final byte[] PREFIX = {'d', 'a', 't', 'a', ':'};

    private final byte[] body;
    private final byte[] json;
    private final String mark = "cut:" + UUID.randomUUID() + ":";
    private final List<Range> ranges = new ArrayList<>();

    private record Range(int from, int to) {}

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
            boolean plain = true;
            while (i < body.length && body[i] != '"') {
                if (body[i] == '\\') {
                    plain = false;
                    i++;
                } else if (body[i] < ' ') {
                    plain = false;
                }
                i++;
            }
            int end = Math.min(i, body.length);
            i++;
            if (plain && end < body.length && end - start >= WORTH_CUTTING && startsWithPrefix(start)) {
                kept.write(body, keptUpTo, start - keptUpTo);
                kept.writeBytes((mark + ranges.size()).getBytes(StandardCharsets.US_ASCII));
                ranges.add(new Range(start, end));
                keptUpTo = end;
            }
        }
        if (ranges.isEmpty()) {
            return body;
        }
        kept.write(body, keptUpTo, body.length - keptUpTo);
        return kept.toByteArray();
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
