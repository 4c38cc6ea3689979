package org.vlmserve.families.preprocess;

import org.vlmserve.protocol.error.ErrorCode;
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
     * @param file JPEG, PNG, WebP, TIFF, GIF or BMP
     * @param maxPixels most pixels (width × height) that are decoded
     * @throws VlmException {@code PICTURE_TOO_MANY_PIXELS}, known from the header before anything is decoded;
     *     {@code PICTURE_UNREADABLE} for a file that is cut off or broken; {@code PICTURE_TYPE_UNSUPPORTED}
     */
    public static RgbPicture decode(byte[] file, long maxPixels) {
        PictureFile any = new PictureFile(file, "", maxPixels);
        if (any.has(0, "\u00ff\u00d8\u00ff")) {
            return new JpegDecoder(new PictureFile(file, "JPEG", maxPixels)).decode();
        }
        if (any.has(0, "\u0089PNG\r\n\u001a\n")) {
            return new PngDecoder(new PictureFile(file, "PNG", maxPixels)).decode();
        }
        if (any.has(0, "RIFF") && any.has(8, "WEBP")) {
            return new WebpDecoder(new PictureFile(file, "WebP", maxPixels)).decode();
        }
        if (any.has(0, "GIF87a") || any.has(0, "GIF89a")) {
            return new GifDecoder(new PictureFile(file, "GIF", maxPixels)).decode();
        }
        if (any.has(0, "II*\0") || any.has(0, "MM\0*")) {
            return new TiffDecoder(new PictureFile(file, "TIFF", maxPixels)).decode();
        }
        if (any.has(0, "BM")) {
            return new BmpDecoder(new PictureFile(file, "BMP", maxPixels)).decode();
        }
        throw new VlmException(
                ErrorCode.PICTURE_TYPE_UNSUPPORTED,
                "the picture's " + file.length
                        + " bytes begin like no picture; expected JPEG, PNG, WebP, TIFF, GIF or BMP");
    }
}
