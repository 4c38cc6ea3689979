package org.vlmserve.gateway.chat;

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
    private final String mark = "cut:" + UUID.randomUUID() + ":";
    private final List<Range> ranges = new ArrayList<>();
    private long tokens = 1;

    /**
     * A string of the body.
     *
     * @param end after its last byte in the JSON
     * @param resolvedEnd after its last byte once its escapes are resolved
     */
    private record Range(int start, int end, int resolvedEnd) {}

    /** @param body becomes this object's own; the bytes of strings that are cut out may change */
    CutBody(byte[] body) {
        this.body = body;
        cut();
    }

    /** Of the body, in bytes. */
    int size() {
        return body.length;
    }

    /** Brackets, names and values of the JSON: at least as many as there are. */
    long tokens() {
        return tokens;
    }

    /** Of the JSON with marks, in bytes. */
    int jsonSize() {
        int size = body.length;
        for (int i = 0; i < ranges.size(); i++) {
            size += mark(i).length - (ranges.get(i).end() - ranges.get(i).start());
        }
        return size;
    }

    /** The body with marks, still JSON if the body was. */
    byte[] json() {
        if (ranges.isEmpty()) {
            return body;
        }
        byte[] json = new byte[jsonSize()];
        int written = 0;
        int from = 0;
        for (int i = 0; i < ranges.size(); i++) {
            Range range = ranges.get(i);
            System.arraycopy(body, from, json, written, range.start() - from);
            written += range.start() - from;
            byte[] mark = mark(i);
            System.arraycopy(mark, 0, json, written, mark.length);
            written += mark.length;
            from = range.end();
        }
        System.arraycopy(body, from, json, written, body.length - from);
        return json;
    }

    private byte[] mark(int index) {
        return (mark + index).getBytes(StandardCharsets.US_ASCII);
    }

    /** What a mark stands for, or null if this string is not a mark of this body. */
    @Nullable
    ByteBuffer original(String text) {
        if (!text.startsWith(mark)) {
            return null;
        }
        Range range = ranges.get(Integer.parseInt(text.substring(mark.length())));
        return ByteBuffer.wrap(body, range.start(), range.resolvedEnd() - range.start())
                .slice();
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

    private void cut() {
        int i = 0;
        while (i < body.length) {
            if (body[i] != '"') {
                // A container is two brackets and a first element, a comma announces another; an element is a name and
                // a value at most.
                if (body[i] == ',') {
                    tokens += 2;
                } else if (body[i] == '{' || body[i] == '[') {
                    tokens += 4;
                }
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
                    ranges.add(new Range(start, end, cutEnd));
                }
            }
        }
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
