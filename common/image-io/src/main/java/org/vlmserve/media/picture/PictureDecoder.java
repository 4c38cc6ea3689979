package org.vlmserve.media.picture;

import org.vlmserve.media.FileFormat;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.media.StillPicture;
import org.vlmserve.protocol.Rendering;
import org.vlmserve.protocol.error.VlmException;

/**
 * From the bytes of a picture file to what the reference's {@code load_image} makes of them: Pillow's
 * {@code convert("RGB")}, turned upright. Colour profiles and gamma are ignored; the first picture of several counts.
 * Transparency and 16-bit grey go by {@link Rendering}. Lossless files give Pillow's very values; how near JPEG and lossy
 * WebP come is asserted by {@code PictureDecoderTest}. Thread-safe; nothing touches the disk.
 */
public final class PictureDecoder {

    private PictureDecoder() {}

    /**
     * @param bytes JPEG, PNG, WebP, TIFF, GIF or BMP
     * @throws VlmException {@code PICTURE_TOO_MANY_PIXELS} and {@code PICTURE_TOO_COSTLY}, known from the header before
     *     anything is decoded; {@code PICTURE_UNREADABLE} for a file that is cut off or broken;
     *     {@code PICTURE_TYPE_UNSUPPORTED}
     */
    public static RgbPicture decode(byte[] bytes, PictureLimits limits, Rendering rendering) {
        return read(bytes, limits, rendering, () -> {}).upright();
    }

    /** As {@link #decode}, with what else the file holds. */
    public static StillPicture still(byte[] bytes, PictureLimits limits, Rendering rendering) {
        return still(bytes, limits, rendering, () -> {});
    }

    /** @param checkpoint asked again and again; throws when nobody waits for the picture any more */
    static StillPicture still(byte[] bytes, PictureLimits limits, Rendering rendering, Runnable checkpoint) {
        DecodedPicture picture = read(bytes, limits, rendering, checkpoint);
        return new StillPicture(picture.upright(), picture.frames());
    }

    /** As {@link #decode}, not yet turned upright. */
    static DecodedPicture read(byte[] bytes, PictureLimits limits, Rendering rendering, Runnable checkpoint) {
        FileFormat format = FileFormat.requirePicture(bytes, null);
        PictureFile file = new PictureFile(bytes, format.title(), limits, rendering, checkpoint);
        try {
            return decoded(format, file);
        } catch (ArithmeticException | IndexOutOfBoundsException | NegativeArraySizeException e) {
            throw file.unreadable("its numbers contradict each other", e);
        }
    }

    private static DecodedPicture decoded(FileFormat format, PictureFile file) {
        return switch (format) {
            case JPEG -> new JpegDecoder(file).decode();
            case PNG -> new PngDecoder(file).decode();
            case WEBP -> new WebpDecoder(file).decode();
            case GIF -> new GifDecoder(file).decode();
            case TIFF -> new TiffDecoder(file).decode();
            case BMP -> new BmpDecoder(file).decode();
            default -> throw new IllegalStateException(format + " is a picture that nothing decodes");
        };
    }
}
