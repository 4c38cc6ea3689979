package org.vlmserve.importer.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.vlmserve.protocol.error.VlmException;

/**
 * The entries of a mapped zip file that are stored as they are, each a part of the mapping: the JDK's reader hands out streams only.
 * Sizes come from the central directory, as for every reader. Source: PKWARE's APPNOTE 6.3.9, sections 4.3.7 and 4.3.12 to 4.3.16.
 */
final class ZipDirectory {

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final int LOCAL_HEADER = 0x04034b50;
    private static final int CENTRAL_HEADER = 0x02014b50;
    private static final int END = 0x06054b50;
    private static final int END_64 = 0x06064b50;
    private static final int END_64_LOCATOR = 0x07064b50;

    private static final int LOCAL_HEADER_BYTES = 30;
    private static final int CENTRAL_HEADER_BYTES = 46;
    private static final int END_BYTES = 22;
    private static final int END_64_LOCATOR_BYTES = 20;
    private static final int END_64_BYTES = 56;
    private static final int LONGEST_COMMENT = 0xffff;
    private static final int ZIP64_FIELD = 1;
    private static final int ENCRYPTED = 1;

    /** Far above any checkpoint's number of tensors, and little memory. */
    private static final long MOST_ENTRIES = 1_000_000;

    private final Path file;
    private final MemorySegment mapped;

    private final Map<String, Header> headers;

    /** Where an entry's header in the directory, and its extra field, lie. */
    private record Header(long at, long extra, int extraLength) {}

    /** @throws VlmException {@code CHECKPOINT_UNREADABLE} for a damaged file, or two entries of one name */
    ZipDirectory(Path file, MemorySegment mapped) {
        this.file = file;
        this.mapped = mapped;
        this.headers = headers();
    }

    /** In the directory's order. */
    List<String> names() {
        return List.copyOf(headers.keySet());
    }

    /** @throws VlmException {@code CHECKPOINT_UNREADABLE} for a damaged file, or a compressed entry */
    Map<String, MemorySegment> entries() {
        Map<String, MemorySegment> entries = new LinkedHashMap<>();
        headers.forEach((name, header) -> entries.put(name, data(name, header)));
        return entries;
    }

    private Map<String, Header> headers() {
        long end = end();
        long count = unsignedShort(end + 10);
        long size = unsignedInt(end + 12);
        long at = unsignedInt(end + 16);
        long locator = end - END_64_LOCATOR_BYTES;
        if (locator >= 0 && mapped.get(INT, locator) == END_64_LOCATOR) {
            long end64 = mapped.get(LONG, locator + 8);
            if (!holds(end64, END_64_BYTES) || mapped.get(INT, end64) != END_64) {
                throw damaged("its zip64 record should lie at byte " + end64);
            }
            count = mapped.get(LONG, end64 + 32);
            size = mapped.get(LONG, end64 + 40);
            at = mapped.get(LONG, end64 + 48);
        }
        if (count < 0 || count > MOST_ENTRIES || !holds(at, size) || count * CENTRAL_HEADER_BYTES > size) {
            throw damaged("its directory claims " + Long.toUnsignedString(count) + " entries in "
                    + Long.toUnsignedString(size) + " bytes at byte " + Long.toUnsignedString(at));
        }
        long limit = at + size;
        Map<String, Header> found = new LinkedHashMap<>();
        for (long i = 0; i < count; i++) {
            if (limit - at < CENTRAL_HEADER_BYTES || mapped.get(INT, at) != CENTRAL_HEADER) {
                throw damaged("entry " + i + " of its directory is missing at byte " + at);
            }
            int nameLength = unsignedShort(at + 28);
            int extraLength = unsignedShort(at + 30);
            long next = at + CENTRAL_HEADER_BYTES + nameLength + extraLength + unsignedShort(at + 32);
            if (next > limit) {
                throw damaged("entry " + i + " of its directory reaches beyond it");
            }
            String name = new String(
                    mapped.asSlice(at + CENTRAL_HEADER_BYTES, nameLength).toArray(ValueLayout.JAVA_BYTE),
                    StandardCharsets.UTF_8);
            if (found.put(name, new Header(at, at + CENTRAL_HEADER_BYTES + nameLength, extraLength)) != null) {
                throw damaged("it holds two entries named '" + name + "'");
            }
            at = next;
        }
        return found;
    }

    /** Where the end record lies: the last one that, with its comment, reaches the file's end. */
    private long end() {
        long last = mapped.byteSize() - END_BYTES;
        for (long at = last; at >= 0 && at >= last - LONGEST_COMMENT; at--) {
            if (mapped.get(INT, at) == END && at + END_BYTES + unsignedShort(at + 20) == mapped.byteSize()) {
                return at;
            }
        }
        throw damaged("the zip directory at its end is missing");
    }

    private MemorySegment data(String name, Header entry) {
        long header = entry.at();
        if ((unsignedShort(header + 8) & ENCRYPTED) != 0 || unsignedShort(header + 10) != 0) {
            throw CheckpointReader.unreadable(
                    file,
                    "entry " + name + " is compressed or encrypted (method " + unsignedShort(header + 10)
                            + "), expected it stored as torch.save does; load and save it once with torch",
                    null);
        }
        long stored = unsignedInt(header + 20);
        long size = unsignedInt(header + 24);
        long local = unsignedInt(header + 42);
        // Whatever does not fit 32 bits stands in a field of its own, in this order.
        long at = zip64(entry.extra(), entry.extraLength());
        long[] values = {size, stored, local};
        for (int i = 0; i < values.length; i++) {
            if (values[i] == 0xffffffffL) {
                if (at < 0 || at + Long.BYTES > entry.extra() + entry.extraLength()) {
                    throw damaged("entry " + name + " lacks its 64-bit sizes");
                }
                values[i] = mapped.get(LONG, at);
                at += Long.BYTES;
            }
        }
        if (values[0] != values[1]
                || !holds(values[2], LOCAL_HEADER_BYTES)
                || mapped.get(INT, values[2]) != LOCAL_HEADER) {
            throw damaged("entry " + name + " should begin at byte " + Long.toUnsignedString(values[2]));
        }
        long start = values[2] + LOCAL_HEADER_BYTES + unsignedShort(values[2] + 26) + unsignedShort(values[2] + 28);
        if (!holds(start, values[0])) {
            throw damaged("entry " + name + " has " + Long.toUnsignedString(values[0]) + " bytes from byte " + start
                    + " in a file of " + mapped.byteSize());
        }
        return mapped.asSlice(start, values[0]);
    }

    /** Where the zip64 field's values begin, or −1. */
    private long zip64(long extra, int length) {
        long limit = extra + length;
        for (long at = extra; at + 4 <= limit; at += 4 + unsignedShort(at + 2)) {
            if (unsignedShort(at) == ZIP64_FIELD) {
                return at + 4;
            }
        }
        return -1;
    }

    private boolean holds(long at, long bytes) {
        return at >= 0 && bytes >= 0 && at <= mapped.byteSize() && bytes <= mapped.byteSize() - at;
    }

    private int unsignedShort(long at) {
        return Short.toUnsignedInt(mapped.get(SHORT, at));
    }

    private long unsignedInt(long at) {
        return Integer.toUnsignedLong(mapped.get(INT, at));
    }

    private VlmException damaged(String what) {
        return CheckpointReader.unreadable(file, what + "; the file is cut short or damaged, fetch it again", null);
    }
}
