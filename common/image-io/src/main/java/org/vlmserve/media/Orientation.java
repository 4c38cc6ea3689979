package org.vlmserve.media;

import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The EXIF orientation, tag 274: which way a picture has to be turned. Where EXIF has none, XMP counts, as in Pillow's
 * {@code exif_transpose}. Anything but 2 to 8 leaves the picture as it is.
 */
public final class Orientation {

    public static final int UPRIGHT = 1;

    private static final int TAG = 274;
    private static final Pattern XMP = Pattern.compile("tiff:Orientation(?:=\"|>)([0-9])");

    private Orientation() {}

    /**
     * @param exif a TIFF structure, with or without the prefix {@code Exif\0\0}
     * @param xmp an XMP packet
     */
    public static int of(byte @Nullable [] exif, byte @Nullable [] xmp) {
        int found = exif == null ? 0 : ofTiff(exif);
        if (found == 0 && xmp != null) {
            Matcher matcher = XMP.matcher(new String(xmp, StandardCharsets.ISO_8859_1));
            found = matcher.find() ? Integer.parseInt(matcher.group(1)) : 0;
        }
        return found == 0 ? UPRIGHT : found;
    }

    /** The tag's value in the first directory, or 0 if it is not there or the structure is broken. */
    private static int ofTiff(byte[] bytes) {
        int start = bytes.length >= 6 && bytes[0] == 'E' && bytes[1] == 'x' && bytes[4] == 0 ? 6 : 0;
        if (bytes.length < start + 8) {
            return 0;
        }
        boolean little = bytes[start] == 'I';
        long directory = start + number(bytes, start + 4, 4, little);
        if (directory + 2 > bytes.length) {
            return 0;
        }
        long entries = number(bytes, (int) directory, 2, little);
        for (int i = 0; i < entries; i++) {
            long entry = directory + 2 + 12L * i;
            if (entry + 12 > bytes.length) {
                return 0;
            }
            if (number(bytes, (int) entry, 2, little) == TAG) {
                int size = switch ((int) number(bytes, (int) entry + 2, 2, little)) {
                    case 1 -> 1;
                    case 3 -> 2;
                    case 4 -> 4;
                    default -> 0;
                };
                return (int) Math.min(9, number(bytes, (int) entry + 8, size, little));
            }
        }
        return 0;
    }

    private static long number(byte[] bytes, int at, int size, boolean little) {
        long value = 0;
        for (int i = 0; i < size; i++) {
            value = value << 8 | bytes[little ? at + size - 1 - i : at + i] & 0xff;
        }
        return value;
    }

    /** @param orientation as EXIF counts; anything but 2 to 8 leaves the picture as it is */
    public static RgbPicture apply(RgbPicture picture, int orientation) {
        if (orientation < 2 || orientation > 8) {
            return picture;
        }
        int width = picture.width();
        int height = picture.height();
        boolean turned = orientation >= 5;
        int outWidth = turned ? height : width;
        int outHeight = turned ? width : height;
        // Where the upright picture's corner lies in the stored one, and the steps along its rows and columns.
        boolean fromRight = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
        boolean fromBottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
        int alongX = fromRight ? -3 : 3;
        int alongY = fromBottom ? -3 * width : 3 * width;
        int corner = (fromRight ? (width - 1) * 3 : 0) + (fromBottom ? (height - 1) * width * 3 : 0);
        int perColumn = turned ? alongY : alongX;
        int perRow = turned ? alongX : alongY;
        byte[] in = picture.pixels();
        byte[] out = new byte[in.length];
        int o = 0;
        for (int y = 0; y < outHeight; y++) {
            int i = corner + y * perRow;
            for (int x = 0; x < outWidth; x++, i += perColumn) {
                out[o++] = in[i];
                out[o++] = in[i + 1];
                out[o++] = in[i + 2];
            }
        }
        return new RgbPicture(outWidth, outHeight, out);
    }
}
