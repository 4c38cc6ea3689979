package org.vlmserve.media.picture;

import org.vlmserve.media.FileFormat;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.protocol.error.VlmException;

/**
 * From the bytes of a picture file to what the reference's {@code load_image} makes of them: Pillow's
 * {@code convert("RGB")}, turned upright. Transparency is dropped, not blended; 16-bit grey clips at 255; colour profiles and
 * gamma are ignored; the first picture of several counts. Lossless files give Pillow's very values; how near JPEG and lossy
 * WebP come is asserted by {@code PictureDecoderTest}. Thread-safe; nothing touches the disk.
 */
public final class PictureDecoder {

    private PictureDecoder() {}

    /**
     * @param bytes JPEG, PNG, WebP, TIFF, GIF or BMP
     * @param maxPixels most pixels (width × height) that are decoded
     * @throws VlmException {@code PICTURE_TOO_MANY_PIXELS}, known from the header before anything is decoded;
     *     {@code PICTURE_UNREADABLE} for a file that is cut off or broken; {@code PICTURE_TYPE_UNSUPPORTED}
     */
    public static RgbPicture decode(byte[] bytes, long maxPixels) {
        FileFormat format = FileFormat.requirePicture(bytes, null);
        PictureFile file = new PictureFile(bytes, format.title(), maxPixels);
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
