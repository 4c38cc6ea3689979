package org.vlmserve.media.picture;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A TIFF file's first directory (TIFF 6.0, section 2), read here so that the decoder's library meets only what was checked:
 * {@link #reduced} gives a file of one directory with the entries that pixels depend on. The library would follow every
 * directory, sub-directory and profile in the file, and allocate what they say.
 */
final class TiffDirectory {

    private static final int SUBFILE_TYPE = 254;
    private static final int WIDTH = 256;
    private static final int HEIGHT = 257;
    private static final int BITS_PER_SAMPLE = 258;
    private static final int COMPRESSION = 259;
    private static final int STRIP_OFFSETS = 273;
    private static final int SAMPLES_PER_PIXEL = 277;
    private static final int ROWS_PER_STRIP = 278;
    private static final int STRIP_BYTE_COUNTS = 279;
    private static final int PLANAR_CONFIGURATION = 284;
    private static final int TILE_WIDTH = 322;
    private static final int TILE_HEIGHT = 323;
    private static final int TILE_OFFSETS = 324;
    private static final int TILE_BYTE_COUNTS = 325;
    private static final int EXTRA_SAMPLES = 338;
    private static final int JPEG_STREAM = 513;

    /** Values of Compression. */
    private static final int OLD_JPEG = 6;

    private static final int JPEG = 7;

    /** Everything else says nothing about pixels, or, as an ICC profile, is not heeded. */
    private static final Set<Integer> KEPT = Set.of(
            WIDTH,
            HEIGHT,
            BITS_PER_SAMPLE,
            COMPRESSION,
            262, // PhotometricInterpretation
            266, // FillOrder
            STRIP_OFFSETS,
            SAMPLES_PER_PIXEL,
            ROWS_PER_STRIP,
            STRIP_BYTE_COUNTS,
            PLANAR_CONFIGURATION,
            292, // T4Options
            293, // T6Options
            317, // Predictor
            320, // ColorMap
            TILE_WIDTH,
            TILE_HEIGHT,
            TILE_OFFSETS,
            TILE_BYTE_COUNTS,
            332, // InkSet
            EXTRA_SAMPLES,
            339, // SampleFormat
            347, // JPEGTables
            512, // JPEGProc and what belongs to it
            JPEG_STREAM,
            514,
            515,
            519,
            520,
            521,
            529, // YCbCrCoefficients
            530, // YCbCrSubSampling
            531, // YCbCrPositioning
            532); // ReferenceBlackWhite

    /** None, fax, LZW, JPEG, deflate and PackBits, with the numbers that they have had. */
    private static final Set<Long> COMPRESSIONS =
            Set.of(1L, 2L, 3L, 4L, 5L, (long) OLD_JPEG, (long) JPEG, 8L, 32_771L, 32_773L, 32_946L);

    /** Bytes of a value by type, from 1. */
    private static final int[] SIZES = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8};

    /** Pixels of a tile that a picture of any size may have. */
    private static final long ANY_TILE = 1 << 20;

    /** Directories that are counted. */
    private static final int MOST_DIRECTORIES = 65_536;

    private static final int MOST_SAMPLES = 8;

    private final PictureFile file;
    private final ByteBuffer bytes;
    private final Map<Integer, Entry> entries = new TreeMap<>();

    /** @param at where its values stand, in the file or in the entry itself */
    private record Entry(int type, int count, int at) {}

    TiffDirectory(PictureFile file) {
        this.file = file;
        bytes = ByteBuffer.wrap(file.array()).order(file.u8(0) == 'I' ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
        long directory = u32(4);
        int count = u16(directory);
        for (int i = 0; i < count; i++) {
            int at = (int) (directory + 2 + 12L * i);
            file.need(at, 12);
            int tag = u16(at);
            if (KEPT.contains(tag)) {
                entries.put(tag, entry(tag, at));
            }
        }
        check();
    }

    private Entry entry(int tag, int at) {
        int type = u16(at + 2);
        long count = u32(at + 4);
        if (type < 1 || type >= SIZES.length || count > file.length()) {
            throw file.unreadable("its entry " + tag + " holds " + count + " values of type " + type, null);
        }
        long size = count * SIZES[type];
        long values = size <= 4 ? at + 8 : u32(at + 8);
        file.need(values, size);
        return new Entry(type, (int) count, (int) values);
    }

    /** What the library would allocate, from the numbers that it would take. */
    private void check() {
        long width = number(WIDTH, 0, 0);
        long height = number(HEIGHT, 0, 0);
        file.checkSize(width, height);
        long samples = number(SAMPLES_PER_PIXEL, 0, 1);
        if (samples < 1 || samples > MOST_SAMPLES) {
            throw file.unsupported(samples + " samples a pixel");
        }
        long bits = 0;
        for (int i = 0; i < samples; i++) {
            long sample = number(BITS_PER_SAMPLE, Math.min(i, Math.max(0, count(BITS_PER_SAMPLE) - 1)), 1);
            if (sample < 1 || sample > 64) {
                throw file.unreadable("a sample has " + sample + " bits", null);
            }
            bits += sample;
        }
        boolean tiled = entries.containsKey(TILE_WIDTH) || entries.containsKey(TILE_OFFSETS);
        long tileWidth = tiled ? number(TILE_WIDTH, 0, 0) : width;
        long tileHeight = tiled ? number(TILE_HEIGHT, 0, 0) : Math.min(height, number(ROWS_PER_STRIP, 0, height));
        if (tileWidth < 1 || tileHeight < 1) {
            throw file.unreadable("its tiles are " + tileWidth + "×" + tileHeight + " pixels", null);
        }
        long most = Math.max(ANY_TILE, 4 * width * height);
        if (tileWidth > most || tileHeight > most || tileWidth * tileHeight > most) {
            throw file.unreadable(
                    "its tiles are " + tileWidth + "×" + tileHeight + " pixels, itself " + width + "×" + height, null);
        }
        long planes = number(PLANAR_CONFIGURATION, 0, 1) == 2 ? samples : 1;
        long tiles = Math.ceilDiv(width, tileWidth) * Math.ceilDiv(height, tileHeight) * planes;
        int offsets = tiled ? TILE_OFFSETS : STRIP_OFFSETS;
        int counts = tiled ? TILE_BYTE_COUNTS : STRIP_BYTE_COUNTS;
        if (entries.containsKey(offsets) && count(offsets) < tiles) {
            throw file.unreadable("it has " + count(offsets) + " of " + tiles + " tiles or strips", null);
        }
        for (int i = 0; i < Math.min(count(offsets), count(counts)); i++) {
            file.need(number(offsets, i, 0), number(counts, i, 0));
        }
        long compression = number(COMPRESSION, 0, 1);
        if (!COMPRESSIONS.contains(compression)) {
            throw file.unsupported("compression " + compression);
        }
        if (compression == JPEG || compression == OLD_JPEG) {
            for (int i = 0; i < count(offsets); i++) {
                checkJpeg(number(offsets, i, 0), 2 * tileWidth * tileHeight + ANY_TILE);
            }
            checkJpeg(number(JPEG_STREAM, 0, 0), 2 * width * height + ANY_TILE);
        }
        file.reserve(width * height * bits / 8);
        file.reserve(2 * tileWidth * tileHeight * bits / 8);
        // The library keeps all offsets and lengths as numbers of 8 bytes, and takes each apart once.
        file.reserve(32L * (count(offsets) + count(counts)));
    }

    /** A tile or strip in JPEG has a size of its own, which the library would believe. */
    private void checkJpeg(long start, long mostPixels) {
        long at = start + 2;
        while (start > 0 && at + 9 <= file.length() && file.u8((int) at) == 0xff) {
            int marker = file.u8((int) at + 1);
            if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) {
                long height = file.u16be((int) at + 5);
                long width = file.u16be((int) at + 7);
                if (width * height > mostPixels) {
                    throw file.unreadable("a tile or strip says that it is " + width + "×" + height + " pixels", null);
                }
                return;
            }
            at += 2 + (marker == 0xff ? -1 : file.u16be((int) at + 2));
        }
    }

    int width() {
        return (int) number(WIDTH, 0, 0);
    }

    int height() {
        return (int) number(HEIGHT, 0, 0);
    }

    /** What the sample behind the colours is: 1 for alpha that the colours are multiplied with, 2 for alpha that they are not. */
    int extraSample() {
        return (int) number(EXTRA_SAMPLES, 0, 0);
    }

    /** How many pictures the file holds, thumbnails left out; at least 1. */
    int pages() {
        Set<Long> seen = new HashSet<>();
        int pages = 0;
        long directory = u32(4);
        while (directory >= 8
                && directory + 2 <= file.length()
                && seen.size() < MOST_DIRECTORIES
                && seen.add(directory)) {
            int count = u16(directory);
            long next = directory + 2 + 12L * count;
            if (next + 4 > file.length()) {
                break;
            }
            pages += count > 0 && (subfileType(directory, count) & 1) == 0 ? 1 : 0;
            directory = u32(next);
        }
        return Math.max(1, pages);
    }

    /** Entries are in the order of their tags, and this is the lowest in use. */
    private long subfileType(long directory, int count) {
        int at = (int) directory + 2;
        return count > 0 && u16(at) == SUBFILE_TYPE ? u32(at + 8) : 0;
    }

    /** The file with this directory alone, less the entries that were left out. */
    byte[] reduced() {
        int start = file.length() + (file.length() & 1);
        ByteBuffer out =
                ByteBuffer.allocate(start + 2 + 12 * entries.size() + 4).order(bytes.order());
        out.put(file.array());
        out.putInt(4, start);
        out.position(start);
        out.putShort((short) entries.size());
        entries.forEach((tag, entry) -> {
            out.putShort(tag.shortValue()).putShort((short) entry.type()).putInt(entry.count());
            long size = (long) entry.count() * SIZES[entry.type()];
            if (size <= 4) {
                out.put(file.array(), entry.at(), 4);
            } else {
                out.putInt(entry.at());
            }
        });
        return out.array();
    }

    private int count(int tag) {
        Entry entry = entries.get(tag);
        return entry == null ? 0 : entry.count();
    }

    private long number(int tag, int index, long otherwise) {
        @Nullable Entry entry = entries.get(tag);
        if (entry == null || index >= entry.count()) {
            return otherwise;
        }
        int at = entry.at() + index * SIZES[entry.type()];
        return switch (entry.type()) {
            case 1 -> file.u8(at);
            case 3 -> u16(at);
            case 4 -> u32(at);
            default -> throw file.unreadable("its entry " + tag + " is of type " + entry.type(), null);
        };
    }

    private int u16(long at) {
        file.need(at, 2);
        return bytes.getShort((int) at) & 0xffff;
    }

    private long u32(long at) {
        file.need(at, 4);
        return bytes.getInt((int) at) & 0xffff_ffffL;
    }
}
