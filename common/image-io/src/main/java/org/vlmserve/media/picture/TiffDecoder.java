package org.vlmserve.media.picture;

import com.twelvemonkeys.imageio.plugins.tiff.TIFFImageReaderSpi;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import javax.imageio.ImageReader;
import javax.imageio.stream.MemoryCacheImageInputStream;
import org.vlmserve.media.Orientation;
import org.vlmserve.protocol.error.VlmException;

/** TIFF: the first page. */
final class TiffDecoder {

    private final PictureFile file;

    TiffDecoder(PictureFile file) {
        this.file = file;
    }

    DecodedPicture decode() {
        TiffDirectory directory = new TiffDirectory(file);
        ImageReader reader = null;
        try (MemoryCacheImageInputStream in =
                new MemoryCacheImageInputStream(new ByteArrayInputStream(directory.reduced()))) {
            reader = new TIFFImageReaderSpi().createReaderInstance();
            reader.setInput(in, true, true);
            reader.addIIOReadProgressListener(new Progress(file));
            BufferedImage image = reader.read(0);
            if (image.getWidth() != directory.width() || image.getHeight() != directory.height()) {
                throw file.unreadable("its header contradicts its data", null);
            }
            RasterColours.Alpha alpha = switch (directory.extraSample()) {
                case 1 -> RasterColours.Alpha.MULTIPLIED;
                case 2 -> RasterColours.Alpha.APART;
                default -> RasterColours.Alpha.NONE;
            };
            return new DecodedPicture.ByRow(
                    image.getWidth(),
                    image.getHeight(),
                    Orientation.of(file.array(), null),
                    directory.pages(),
                    new RasterColours(file, image, alpha));
        } catch (VlmException e) {
            throw e;
        } catch (IOException | RuntimeException e) {
            // The decoder answers broken data with whatever its arithmetic runs into.
            throw file.unreadable(e);
        } finally {
            if (reader != null) {
                reader.dispose();
            }
        }
    }
}
