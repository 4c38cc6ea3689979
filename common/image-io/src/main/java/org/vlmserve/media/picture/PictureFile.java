package org.vlmserve.media.picture;

import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.Rendering;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * The bytes of a picture file; to read beyond their end says that the file is cut off. What the file's numbers would allocate
 * is declared here first.
 */
final class PictureFile {

    private static final int LONGEST_WORDS = 200;

    private final byte[] bytes;
    private final String type;
    private final PictureLimits limits;
    private final Rendering rendering;
    private final Runnable checkpoint;
    private long reserved;

    PictureFile(byte[] bytes, String type, PictureLimits limits, Rendering rendering, Runnable checkpoint) {
        this.bytes = bytes;
        this.type = type;
        this.limits = limits;
        this.rendering = rendering;
        this.checkpoint = checkpoint;
    }

    /** Whether the picture is wanted as a person sees it, and not as the reference computes on it. */
    boolean forViewer() {
        return rendering == Rendering.VIEWER;
    }

    int length() {
        return bytes.length;
    }

    byte[] array() {
        return bytes;
    }

    int u8(int at) {
        need(at, 1);
        return bytes[at] & 0xff;
    }

    int u16be(int at) {
        return u8(at) << 8 | u8(at + 1);
    }

    int u16le(int at) {
        return u8(at) | u8(at + 1) << 8;
    }

    int u24le(int at) {
        return u16le(at) | u8(at + 2) << 16;
    }

    int i32be(int at) {
        return u16be(at) << 16 | u16be(at + 2);
    }

    int i32le(int at) {
        return u16le(at) | u16le(at + 2) << 16;
    }

    boolean has(int at, String ascii) {
        return has(at, ascii.getBytes(StandardCharsets.ISO_8859_1));
    }

    private boolean has(int at, byte[] expected) {
        if (at < 0 || at > bytes.length - expected.length) {
            return false;
        }
        for (int i = 0; i < expected.length; i++) {
            if (bytes[at + i] != expected[i]) {
                return false;
            }
        }
        return true;
    }

    byte[] slice(int at, int length) {
        need(at, length);
        byte[] part = new byte[length];
        System.arraycopy(bytes, at, part, 0, length);
        return part;
    }

    void need(long at, long count) {
        if (at < 0 || count < 0 || count > bytes.length || at > bytes.length - count) {
            throw unreadable("it is cut off after " + bytes.length + " bytes", null);
        }
    }

    /** Refuses a picture by its dimensions, before anything of its size is allocated. */
    void checkSize(long width, long height) {
        if (width < 1 || height < 1) {
            throw unreadable("it says that it is " + width + "×" + height + " pixels", null);
        }
        long most = Math.min(limits.maxPixels(), Integer.MAX_VALUE / 3 - 64);
        if (width > most || height > most || width * height > most) {
            throw new VlmException(
                    ErrorCode.PICTURE_TOO_MANY_PIXELS,
                    "the picture is " + width + "×" + height + ", " + width * height + " pixels; at most " + most
                            + " are accepted, send it smaller");
        }
    }

    /** Says that decoding gets on; throws when nobody waits for it any more. */
    void progress() {
        checkpoint.run();
    }

    /** Declares that so many bytes are about to be allocated, beside those declared before. */
    void reserve(long count) {
        reserved = reserved + count < 0 ? Long.MAX_VALUE : reserved + count;
        if (reserved > limits.maxBytes()) {
            throw tooCostly(
                    "decoding it takes " + reserved + " bytes of memory, at most " + limits.maxBytes() + " are given");
        }
    }

    VlmException tooCostly(String problem) {
        return new VlmException(
                ErrorCode.PICTURE_TOO_COSTLY,
                "the " + type + " picture cannot be decoded: " + problem
                        + "; send it smaller, or as plain 8-bit PNG or JPEG");
    }

    VlmException unreadable(String problem, @Nullable Throwable cause) {
        return new VlmException(
                ErrorCode.PICTURE_UNREADABLE, "the " + type + " picture cannot be read: " + problem, cause);
    }

    /** What a library ran into. Its words may quote the file, so they are kept short and printable. */
    VlmException unreadable(Exception failure) {
        String words = String.valueOf(failure.getMessage()).replaceAll("[^\\x20-\\x7e]", "?");
        return unreadable(
                failure.getClass().getSimpleName() + ", " + words.substring(0, Math.min(words.length(), LONGEST_WORDS)),
                failure);
    }

    VlmException unsupported(String what) {
        return new VlmException(
                ErrorCode.PICTURE_TYPE_UNSUPPORTED,
                "the " + type + " picture has " + what + ", which is not supported; send it as PNG or as plain JPEG");
    }
}
